/* Netlink and packet sockets, with groups, memberships, filters, fanout and mapped rings. */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

static int get(int sk, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof value;
	must(getsockopt(sk, level, name, &value, &length));
	return value;
}
static void set(int sk, int level, int name, int value) { must(setsockopt(sk, level, name, &value, sizeof value)); }
static struct sockaddr_nl name_of(int sk)
{
	struct sockaddr_nl nl;
	socklen_t length = sizeof nl;
	must(getsockname(sk, (struct sockaddr *)&nl, &length));
	return nl;
}
/* Asks for the links; the kernel answers. */
static int asks(int sk)
{
	struct { struct nlmsghdr head; struct rtgenmsg body; } request = {
		{ sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 0 }, { AF_UNSPEC } };
	char answer[32768];
	if (send(sk, &request, sizeof request, 0) != (ssize_t)sizeof request) return 0;
	for (;;) {
		ssize_t count = recv(sk, answer, sizeof answer, 0);
		if (count <= 0) return 0;
		struct nlmsghdr *head = (struct nlmsghdr *)answer;
		for (; NLMSG_OK(head, count); head = NLMSG_NEXT(head, count))
			if (head->nlmsg_type == NLMSG_DONE) return head->nlmsg_seq == 7;
	}
}
static void send_one(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int sk = must(socket(AF_INET, SOCK_DGRAM, 0));
	must(sendto(sk, "seen?", 5, 0, (struct sockaddr *)&to, sizeof to));
	close(sk);
}

int main(void)
{
	int lo = must((int)if_nametoindex("lo"));
	int plain = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	set(plain, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	int bound = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	must(bind(bound, (struct sockaddr *)&nl, sizeof nl));
	unsigned number = name_of(bound).nl_pid;
	int many = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	set(many, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_NSID);
	set(many, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_MCTP_IFADDR);

	int packet = must(socket(AF_PACKET, SOCK_RAW, 0));
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 20 } };
	struct sock_fprog filter = { 1, code };
	must(setsockopt(packet, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = lo };
	struct packet_mreq promiscuous = { lo, PACKET_MR_PROMISC, 0, { 0 } };
	must(setsockopt(packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous));
	set(packet, SOL_PACKET, PACKET_AUXDATA, 1);
	set(packet, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	must(bind(packet, (struct sockaddr *)&ll, sizeof ll));

	int ring = must(socket(AF_PACKET, SOCK_DGRAM, 0));
	set(ring, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	struct tpacket_req request = { 4096, 4, 2048, 8 };
	must(setsockopt(ring, SOL_PACKET, PACKET_RX_RING, &request, sizeof request));
	char *frames = must(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0));

	ready();
	wait_until_told();

	prove("asks", asks(plain) && get(plain, SOL_NETLINK, NETLINK_EXT_ACK) == 1);
	prove("bound", name_of(bound).nl_pid == number && name_of(bound).nl_groups == 1 && get(bound, SOL_SOCKET, SO_PROTOCOL) == NETLINK_KOBJECT_UEVENT);
	uint32_t groups[4] = { 0 };
	socklen_t length = sizeof groups;
	must(getsockopt(many, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &length));
	prove("many", groups[0] == 1u << (RTNLGRP_NSID - 1) && groups[1] == 1u << (RTNLGRP_MCTP_IFADDR - 1 - 32));
	send_one();
	char got[256];
	struct pollfd comes = { packet, POLLIN, 0 };
	prove("packet", poll(&comes, 1, 5000) == 1 && recv(packet, got, sizeof got, MSG_DONTWAIT) == 20 && get(packet, SOL_PACKET, PACKET_AUXDATA) == 1
		&& get(packet, SOL_PACKET, PACKET_IGNORE_OUTGOING) == 1);
	struct tpacket2_hdr *first = (struct tpacket2_hdr *)frames;
	ll.sll_protocol = htons(ETH_P_IP);
	must(bind(ring, (struct sockaddr *)&ll, sizeof ll));
	send_one();
	struct pollfd filled = { ring, POLLIN, 0 };
	prove("ring", poll(&filled, 1, 5000) == 1 && (first->tp_status & TP_STATUS_USER));
	restored();
}
