/* Internet sockets without a connection: bound, listening, of every protocol, with their options. */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

static struct sockaddr_in v4(const char *address, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, address, &in.sin_addr);
	return in;
}
static struct sockaddr_in6 v6(const char *address, int port)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	inet_pton(AF_INET6, address, &in.sin6_addr);
	return in;
}
static void set(int sk, int level, int name, int value) { must(setsockopt(sk, level, name, &value, sizeof value)); }
static int get(int sk, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof value;
	must(getsockopt(sk, level, name, &value, &length));
	return value;
}
static int bound4(int type, const char *address, int port, int reuse)
{
	struct sockaddr_in in = v4(address, port);
	int sk = must(socket(AF_INET, type, 0));
	if (reuse) set(sk, SOL_SOCKET, reuse, 1);
	must(bind(sk, (struct sockaddr *)&in, sizeof in));
	return sk;
}
static int port_of(int sk)
{
	struct sockaddr_in6 in;
	socklen_t length = sizeof in;
	must(getsockname(sk, (struct sockaddr *)&in, &length));
	return ntohs(in.sin6_port); /* at the same place in both families */
}
static int reaches(int from, int to, const struct sockaddr *address, socklen_t length)
{
	char got[8] = "";
	if (sendto(from, "hello", 5, 0, address, length) != 5) return 0;
	return recv(to, got, sizeof got, MSG_DONTWAIT) == 5 && strcmp(got, "hello") == 0;
}
static int serves(int listener, int family, const void *address, socklen_t length)
{
	int client = must(socket(family, SOCK_STREAM, 0));
	if (connect(client, address, length) != 0) return 0;
	int server = accept(listener, NULL, NULL);
	char got[4] = "";
	int good = server >= 0 && write(client, "ok", 2) == 2 && read(server, got, 2) == 2 && strcmp(got, "ok") == 0;
	close(server);
	close(client);
	return good;
}

int main(void)
{
	int plain = must(socket(AF_INET, SOCK_STREAM, 0));
	set(plain, SOL_TCP, TCP_NODELAY, 1);
	set(plain, SOL_TCP, TCP_KEEPIDLE, 77);
	set(plain, SOL_TCP, TCP_USER_TIMEOUT, 4321);
	set(plain, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(plain, SOL_IP, IP_TOS, 0x10);
	set(plain, SOL_IP, IP_TTL, 33);
	set(plain, SOL_SOCKET, SO_PRIORITY, 3);
	set(plain, SOL_SOCKET, SO_MARK, 0x77);
	must(setsockopt(plain, SOL_TCP, TCP_CONGESTION, "reno", 4));
	struct linger linger = { 1, 9 };
	must(setsockopt(plain, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));

	int listener = bound4(SOCK_STREAM, "127.0.0.1", 0, SO_REUSEADDR);
	must(listen(listener, 13));
	int port = port_of(listener);
	/* Bound to the address of the one that listens: allowed since both had SO_REUSEADDR; not so any more. */
	int beside = bound4(SOCK_STREAM, "127.0.0.2", 0, SO_REUSEADDR);
	int beside_port = port_of(beside);
	int second = bound4(SOCK_STREAM, "127.0.0.2", beside_port, SO_REUSEADDR);
	set(beside, SOL_SOCKET, SO_REUSEADDR, 0);
	set(second, SOL_SOCKET, SO_REUSEADDR, 0);

	int share1 = bound4(SOCK_STREAM, "127.0.0.3", 0, SO_REUSEPORT);
	must(listen(share1, 5));
	int share2 = bound4(SOCK_STREAM, "127.0.0.3", port_of(share1), SO_REUSEPORT);
	must(listen(share2, 6));

	int both = must(socket(AF_INET6, SOCK_STREAM, 0));
	struct sockaddr_in6 any = v6("::", 0);
	must(bind(both, (struct sockaddr *)&any, sizeof any));
	must(listen(both, 1));
	int only = must(socket(AF_INET6, SOCK_STREAM, 0));
	set(only, SOL_IPV6, IPV6_V6ONLY, 1);
	set(only, SOL_IPV6, IPV6_TCLASS, 0x20);
	must(bind(only, (struct sockaddr *)&any, sizeof any));
	must(listen(only, 1));

	int free_bound = must(socket(AF_INET, SOCK_STREAM, 0));
	set(free_bound, SOL_IP, IP_FREEBIND, 1);
	struct sockaddr_in foreign = v4("192.0.2.7", 0);
	must(bind(free_bound, (struct sockaddr *)&foreign, sizeof foreign));

	int udp = bound4(SOCK_DGRAM, "127.0.0.1", 0, 0);
	int udp_client = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in to_udp = v4("127.0.0.1", port_of(udp));
	must(connect(udp_client, (struct sockaddr *)&to_udp, sizeof to_udp));
	int udp_port = port_of(udp_client);
	set(udp_client, SOL_SOCKET, SO_BROADCAST, 1);
	set(udp_client, SOL_UDP, UDP_GRO, 1);
	int udp_half = must(socket(AF_INET, SOCK_DGRAM, 0));
	must(connect(udp_half, (struct sockaddr *)&to_udp, sizeof to_udp));
	must(shutdown(udp_half, SHUT_WR));
	int older = bound4(SOCK_DGRAM, "127.0.0.4", 0, SO_REUSEADDR);
	int younger = bound4(SOCK_DGRAM, "127.0.0.4", port_of(older), SO_REUSEADDR);
	struct sockaddr_in to_younger = v4("127.0.0.4", port_of(older));
	int udp6 = must(socket(AF_INET6, SOCK_DGRAM, 0));
	set(udp6, SOL_IPV6, IPV6_RECVPKTINFO, 1);
	struct sockaddr_in6 to_udp6 = v6("::1", 0);
	must(bind(udp6, (struct sockaddr *)&to_udp6, sizeof to_udp6));
	to_udp6.sin6_port = htons(port_of(udp6));

	int raw = must(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	struct icmp_filter no_echo = { 1 << ICMP_ECHO };
	must(setsockopt(raw, SOL_RAW, ICMP_FILTER, &no_echo, sizeof no_echo));
	set(raw, SOL_IP, IP_HDRINCL, 1);
	struct sockaddr_in local = v4("127.0.0.1", 0);
	must(bind(raw, (struct sockaddr *)&local, sizeof local));

	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 4 } };
	struct sock_fprog filter = { 1, code };
	must(setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));

	ready();
	wait_until_told();

	socklen_t length = sizeof linger;
	must(getsockopt(plain, SOL_SOCKET, SO_LINGER, &linger, &length));
	char congestion[16] = "";
	length = sizeof congestion;
	must(getsockopt(plain, SOL_TCP, TCP_CONGESTION, congestion, &length));
	prove("options", get(plain, SOL_TCP, TCP_NODELAY) && get(plain, SOL_TCP, TCP_KEEPIDLE) == 77 && get(plain, SOL_SOCKET, SO_KEEPALIVE)
		&& get(plain, SOL_IP, IP_TOS) == 0x10 && get(plain, SOL_IP, IP_TTL) == 33 && get(plain, SOL_SOCKET, SO_PRIORITY) == 3
		&& get(plain, SOL_SOCKET, SO_MARK) == 0x77 && linger.l_onoff && linger.l_linger == 9);
	prove("more", get(plain, SOL_TCP, TCP_USER_TIMEOUT) == 4321 && strcmp(congestion, "reno") == 0 && get(udp_client, SOL_UDP, UDP_GRO) == 1
		&& get(only, SOL_IPV6, IPV6_TCLASS) == 0x20);
	struct tcp_info info;
	length = sizeof info;
	must(getsockopt(listener, SOL_TCP, TCP_INFO, &info, &length));
	struct sockaddr_in to_listener = v4("127.0.0.1", port);
	prove("listens", info.tcpi_sacked == 13 && get(listener, SOL_SOCKET, SO_REUSEADDR) == 1
		&& serves(listener, AF_INET, &to_listener, sizeof to_listener));
	prove("shared", port_of(second) == beside_port && port_of(beside) == beside_port && get(beside, SOL_SOCKET, SO_REUSEADDR) == 0
		&& get(second, SOL_SOCKET, SO_REUSEADDR) == 0);
	prove("reuseport", port_of(share1) == port_of(share2) && get(share1, SOL_SOCKET, SO_REUSEPORT) && get(share2, SOL_SOCKET, SO_REUSEPORT)
		&& get(share2, SOL_SOCKET, SO_ACCEPTCONN));
	struct sockaddr_in to_both = v4("127.0.0.1", port_of(both));
	prove("dual", serves(both, AF_INET, &to_both, sizeof to_both) && get(both, SOL_IPV6, IPV6_V6ONLY) == 0);
	struct sockaddr_in6 to_only = v6("::1", port_of(only));
	prove("v6only", serves(only, AF_INET6, &to_only, sizeof to_only) && get(only, SOL_IPV6, IPV6_V6ONLY) == 1);
	struct sockaddr_in where;
	length = sizeof where;
	must(getsockname(free_bound, (struct sockaddr *)&where, &length));
	prove("freebind", where.sin_addr.s_addr == foreign.sin_addr.s_addr && get(free_bound, SOL_IP, IP_FREEBIND) == 1);
	/* The filter cuts datagrams after 4 bytes; their head of 8 counts, and is never cut. */
	char got[8] = "";
	prove("udp", send(udp_client, "hello", 5, 0) == 5 && port_of(udp_client) == udp_port && get(udp_client, SOL_SOCKET, SO_BROADCAST)
		&& recv(udp, got, sizeof got, MSG_DONTWAIT) == 0);
	prove("udp_half", send(udp_half, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	prove("youngest", reaches(udp_half = must(socket(AF_INET, SOCK_DGRAM, 0)), younger, (struct sockaddr *)&to_younger, sizeof to_younger));
	prove("udp6", reaches(must(socket(AF_INET6, SOCK_DGRAM, 0)), udp6, (struct sockaddr *)&to_udp6, sizeof to_udp6)
		&& get(udp6, SOL_IPV6, IPV6_RECVPKTINFO));
	struct icmp_filter now = { 0 };
	length = sizeof now;
	must(getsockopt(raw, SOL_RAW, ICMP_FILTER, &now, &length));
	prove("raw", now.data == no_echo.data && get(raw, SOL_IP, IP_HDRINCL) == 1);
	struct sock_filter back[4];
	length = 4;
	must(getsockopt(udp, SOL_SOCKET, SO_GET_FILTER, back, &length));
	prove("filter", length == 1 && memcmp(back, code, sizeof code) == 0);
	restored();
}
