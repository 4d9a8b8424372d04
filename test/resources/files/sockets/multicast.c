/* Members of multicast groups on the loopback interface: of all sources, of one, of all but one, over both versions of IP. */
#include "program.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { LO = 1 };
static struct sockaddr_storage address(const char *text, int port)
{
	struct sockaddr_storage storage = { 0 };
	struct sockaddr_in *in = (void *)&storage;
	struct sockaddr_in6 *in6 = (void *)&storage;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET, in->sin_port = htons(port);
	} else {
		must(inet_pton(AF_INET6, text, &in6->sin6_addr));
		in6->sin6_family = AF_INET6, in6->sin6_port = htons(port), in6->sin6_scope_id = LO;
	}
	return storage;
}
static int bound(int family, int *port)
{
	struct sockaddr_storage any = address(family == AF_INET ? "0.0.0.0" : "::", 0);
	int sk = must(socket(family, SOCK_DGRAM, 0)), none = 0;
	if (family == AF_INET6) ((struct sockaddr_in6 *)&any)->sin6_scope_id = 0;
	/* Only what the socket itself is a member of arrives. */
	if (family == AF_INET) must(setsockopt(sk, SOL_IP, IP_MULTICAST_ALL, &none, sizeof none));
	else must(setsockopt(sk, SOL_IPV6, 29, &none, sizeof none));
	must(bind(sk, (void *)&any, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
	socklen_t length = sizeof any;
	must(getsockname(sk, (void *)&any, &length));
	*port = ntohs(((struct sockaddr_in *)&any)->sin_port);
	return sk;
}
static void join(int sk, int level, const char *group)
{
	struct group_req request = { .gr_interface = LO, .gr_group = address(group, 0) };
	must(setsockopt(sk, level, MCAST_JOIN_GROUP, &request, sizeof request));
}
static int leave(int sk, int level, const char *group)
{
	struct group_req request = { .gr_interface = LO, .gr_group = address(group, 0) };
	return setsockopt(sk, level, MCAST_LEAVE_GROUP, &request, sizeof request) == 0 ? 0 : errno;
}
static void source(int sk, int level, int how, const char *group, const char *from)
{
	struct group_source_req request = { .gsr_interface = LO, .gsr_group = address(group, 0), .gsr_source = address(from, 0) };
	must(setsockopt(sk, level, how, &request, sizeof request));
}
static int arrives(int sk, const char *group, int port, const char *from)
{
	struct sockaddr_storage to = address(group, port), us = address(from, 0);
	socklen_t length = sizeof(struct sockaddr_in);
	int sender = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct ip_mreqn device = { .imr_ifindex = LO };
	must(setsockopt(sender, SOL_IP, IP_MULTICAST_IF, &device, sizeof device));
	must(bind(sender, (void *)&us, length));
	must(sendto(sender, "word", 4, 0, (void *)&to, length));
	char text[16];
	/* Over loopback it has arrived when sendto(2) returns. */
	ssize_t count = recv(sk, text, sizeof text, MSG_DONTWAIT);
	close(sender);
	return count == 4;
}

int main(void)
{
	int all_port, one_port, but_port, six_port;
	int all = bound(AF_INET, &all_port), one = bound(AF_INET, &one_port), but = bound(AF_INET, &but_port), six = bound(AF_INET6, &six_port);
	join(all, SOL_IP, "224.7.7.1"), join(all, SOL_IP, "224.7.7.2");
	source(one, SOL_IP, MCAST_JOIN_SOURCE_GROUP, "232.7.7.1", "127.0.0.2");
	join(but, SOL_IP, "224.7.7.3"), source(but, SOL_IP, MCAST_BLOCK_SOURCE, "224.7.7.3", "127.0.0.3");
	join(six, SOL_IPV6, "ff02::7777"), join(six, SOL_IP, "224.7.7.4");
	ready();
	wait_until_told();

	prove("all", arrives(all, "224.7.7.1", all_port, "127.0.0.1") && arrives(all, "224.7.7.2", all_port, "127.0.0.1"));
	prove("none", !arrives(all, "224.7.7.3", all_port, "127.0.0.1") && !arrives(one, "224.7.7.1", one_port, "127.0.0.1"));
	prove("one", arrives(one, "232.7.7.1", one_port, "127.0.0.2") && !arrives(one, "232.7.7.1", one_port, "127.0.0.1"));
	prove("but", arrives(but, "224.7.7.3", but_port, "127.0.0.1") && !arrives(but, "224.7.7.3", but_port, "127.0.0.3"));
	/* Nothing can be sent over loopback without a route. */
	prove("six", leave(six, SOL_IPV6, "ff02::7777") == 0 && leave(six, SOL_IPV6, "ff02::7777") == EADDRNOTAVAIL);
	prove("mapped", leave(six, SOL_IP, "224.7.7.4") == 0 && leave(six, SOL_IP, "224.7.7.4") == EADDRNOTAVAIL);
	restored();
}
