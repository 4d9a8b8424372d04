/* Datagrams that wait in sockets of UDP and UDP-Lite: from whom, to which address, of any length. */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LONG = 60000, UDPLITE = 136 };
union address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };
static socklen_t length_of(const union address *address) { return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6; }

static union address at(const char *text, int port)
{
	union address address = { 0 };
	if (strchr(text, ':') == NULL) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(port);
		must(inet_pton(AF_INET, text, &address.v4.sin_addr));
	} else {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(port);
		must(inet_pton(AF_INET6, text, &address.v6.sin6_addr));
	}
	return address;
}
static int bound(const char *text, int protocol)
{
	union address address = at(text, 0);
	int sk = must(socket(address.any.sa_family, SOCK_DGRAM, protocol));
	must(bind(sk, &address.any, length_of(&address)));
	return sk;
}
static union address name_of(int sk)
{
	union address address;
	socklen_t length = sizeof address;
	must(getsockname(sk, &address.any, &length));
	return address;
}
static int port_of(int sk) { return ntohs(name_of(sk).v4.sin_port); }
static void mail(int from, const char *text, int to, const void *data, size_t length)
{
	union address address = at(text, port_of(to));
	must(sendto(from, data, length, 0, &address.any, length_of(&address)));
}

/* The next datagram is this one, from that socket's address as it was, and was sent to that address. */
static char bytes[LONG + 1];
static int next_is(int sk, const void *data, size_t length, const char *from, int port, const char *to)
{
	char room[256], text[64] = "", sent_to[64] = "";
	union address source = { 0 };
	struct iovec vector = { bytes, sizeof bytes };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_name = &source, .msg_namelen = sizeof source, .msg_control = room, .msg_controllen = sizeof room };
	ssize_t count = recvmsg(sk, &message, MSG_DONTWAIT);
	if (count != (ssize_t)length || memcmp(bytes, data, length) != 0) return 0;
	if (source.any.sa_family == AF_INET) inet_ntop(AF_INET, &source.v4.sin_addr, text, sizeof text);
	else inet_ntop(AF_INET6, &source.v6.sin6_addr, text, sizeof text);
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(head), sizeof info);
		if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) inet_ntop(AF_INET, &info.ipi_addr, sent_to, sizeof sent_to);
	}
	return strcmp(text, from) == 0 && ntohs(source.v4.sin_port) == port && strcmp(sent_to, to) == 0;
}
static int nothing_waits(int sk) { return recv(sk, bytes, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN; }

int main(void)
{
	static char all[LONG];
	int on = 1, many = 1 << 20;
	for (int i = 0; i < LONG; i++) all[i] = i * 7;
	int inbox = bound("0.0.0.0", 0), one = bound("127.0.0.1", 0), gone = bound("127.0.0.2", 0);
	must(setsockopt(inbox, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
	int gone_port = port_of(gone);
	mail(one, "127.0.0.1", inbox, "first", 5);
	mail(one, "127.0.0.1", inbox, "", 0);
	mail(gone, "127.0.0.3", inbox, "of one that is closed", 21);
	mail(one, "127.0.0.1", inbox, "odd", 3);
	close(gone);
	int large = bound("127.0.0.1", 0);
	must(setsockopt(large, SOL_SOCKET, SO_RCVBUF, &many, sizeof many));
	for (int i = 0; i < 3; i++) mail(one, "127.0.0.1", large, all, LONG - i);

	int connected = bound("127.0.0.1", 0), peer = bound("127.0.0.1", 0);
	union address address = name_of(peer);
	must(connect(connected, &address.any, sizeof address.v4));
	mail(peer, "127.0.0.1", connected, "peer", 4);
	int six = bound("::1", 0), other = bound("::1", 0), both = bound("::", 0), reader = bound("127.0.0.1", 0);
	mail(other, "::1", six, "six", 3);
	mail(other, "::1", both, "six", 3);
	mail(one, "127.0.0.1", both, "four", 4);
	mail(one, "127.0.0.1", reader, "unread", 6);
	mail(one, "127.0.0.1", reader, "peeked", 6);
	must(recv(reader, bytes, 6, MSG_PEEK));
	int lite = socket(AF_INET, SOCK_DGRAM, UDPLITE), lite_from = lite < 0 ? -1 : bound("127.0.0.1", UDPLITE);
	if (lite >= 0) {
		address = at("127.0.0.1", 0);
		must(bind(lite, &address.any, sizeof address.v4));
		mail(lite_from, "127.0.0.1", lite, "lite", 4);
	}
	ready();
	wait_until_told();

	int port = port_of(one);
	prove("first", next_is(inbox, "first", 5, "127.0.0.1", port, "127.0.0.1"));
	prove("empty", next_is(inbox, "", 0, "127.0.0.1", port, "127.0.0.1"));
	prove("closed", next_is(inbox, "of one that is closed", 21, "127.0.0.2", gone_port, "127.0.0.3"));
	prove("odd", next_is(inbox, "odd", 3, "127.0.0.1", port, "127.0.0.1") && nothing_waits(inbox));
	int lengths = 0;
	for (int i = 0; i < 3; i++) lengths += next_is(large, all, LONG - i, "127.0.0.1", port, "");
	prove_equal("large", lengths, 3);
	prove("connected", next_is(connected, "peer", 4, "127.0.0.1", port_of(peer), "") && nothing_waits(connected));
	prove("six", next_is(six, "six", 3, "::1", port_of(other), ""));
	prove("both", next_is(both, "six", 3, "::1", port_of(other), "") && next_is(both, "four", 4, "::ffff:127.0.0.1", port, ""));
	prove("peeked", next_is(reader, "unread", 6, "127.0.0.1", port, "") && next_is(reader, "peeked", 6, "127.0.0.1", port, "") && nothing_waits(reader));
	prove("lite", lite < 0 || next_is(lite, "lite", 4, "127.0.0.1", port_of(lite_from), ""));
	mail(one, "127.0.0.1", inbox, "after", 5);
	prove("after", next_is(inbox, "after", 5, "127.0.0.1", port, "127.0.0.1"));
	restored();
}
