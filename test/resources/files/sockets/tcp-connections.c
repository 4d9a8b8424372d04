/* TCP connections with both ends in the program, in every state that a descriptor can be open on. */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

struct pair { int client, server; };

static int is_state(int sk, int state)
{
	struct tcp_info info;
	socklen_t length = sizeof info;
	must(getsockopt(sk, SOL_TCP, TCP_INFO, &info, &length));
	return info.tcpi_state == state;
}
static int agreed(int sk)
{
	struct tcp_info info;
	socklen_t length = sizeof info;
	must(getsockopt(sk, SOL_TCP, TCP_INFO, &info, &length));
	return info.tcpi_options << 8 | info.tcpi_snd_wscale << 4 | info.tcpi_rcv_wscale;
}
static void until_state(int sk, int state) { while (!is_state(sk, state)) usleep(1000); }
static int get(int sk, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof value;
	must(getsockopt(sk, level, name, &value, &length));
	return value;
}
static void set(int sk, int level, int name, int value) { must(setsockopt(sk, level, name, &value, sizeof value)); }

static struct pair meet(int family, const char *address)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
	socklen_t length = family == AF_INET ? sizeof in : sizeof in6;
	inet_pton(family, address, family == AF_INET ? (void *)&in.sin_addr : (void *)&in6.sin6_addr);
	int listener = must(socket(family, SOCK_STREAM, 0));
	must(bind(listener, to, length));
	must(listen(listener, 1));
	must(getsockname(listener, to, &length));
	struct pair pair = { must(socket(family, SOCK_STREAM, 0)), -1 };
	must(connect(pair.client, to, length));
	pair.server = must(accept(listener, NULL, NULL));
	close(listener);
	return pair;
}
static void put(int sk, const char *text) { expect(write(sk, text, strlen(text)) == (ssize_t)strlen(text)); }
/* Waits for it as long as the network needs. */
static int next_is(int sk, const char *text)
{
	char got[256] = "";
	size_t have = 0, want = strlen(text);
	while (have < want) {
		struct pollfd ready = { .fd = sk, .events = POLLIN };
		if (poll(&ready, 1, 8000) != 1) return 0;
		ssize_t count = read(sk, got + have, want - have);
		if (count <= 0) return 0;
		have += count;
	}
	return strcmp(got, text) == 0;
}
static int ends(int sk)
{
	char byte;
	struct pollfd ready = { .fd = sk, .events = POLLIN };
	return poll(&ready, 1, 8000) == 1 && read(sk, &byte, 1) == 0;
}
static int talk(struct pair pair)
{
	put(pair.client, "ping");
	put(pair.server, "pong");
	return next_is(pair.server, "ping") && next_is(pair.client, "pong") && get(pair.client, SOL_TCP, TCP_REPAIR) == 0;
}
/* Sends a pattern until nothing more goes; result: how much. */
static size_t fill(int sk)
{
	static unsigned char bytes[65536];
	size_t sent = 0;
	for (;;) {
		for (size_t at = 0; at < sizeof bytes; at++) bytes[at] = (sent + at) * 31 >> 3;
		ssize_t count = send(sk, bytes, sizeof bytes, MSG_DONTWAIT);
		if (count < 0) return sent;
		sent += count;
	}
}
static int drain(int sk, size_t want)
{
	static unsigned char bytes[65536];
	for (size_t have = 0; have < want;) {
		struct pollfd ready = { .fd = sk, .events = POLLIN };
		if (poll(&ready, 1, 8000) != 1) return 0;
		ssize_t count = read(sk, bytes, sizeof bytes);
		if (count <= 0) return 0;
		for (ssize_t at = 0; at < count; at++, have++)
			if (bytes[at] != (unsigned char)(have * 31 >> 3)) return 0;
	}
	return 1;
}

int main(void)
{
	struct pair plain = meet(AF_INET, "127.0.0.1");
	set(plain.client, SOL_TCP, TCP_NODELAY, 1);
	set(plain.client, SOL_TCP, TCP_USER_TIMEOUT, 60000);
	set(plain.client, SOL_SOCKET, SO_KEEPALIVE, 1);
	int options = agreed(plain.client), reuse = get(plain.server, SOL_SOCKET, SO_REUSEADDR);
	int lock = get(plain.client, SOL_SOCKET, SO_BUF_LOCK);
	struct pair v6 = meet(AF_INET6, "::1"), mapped = meet(AF_INET6, "::ffff:127.0.0.1");
	struct pair unread = meet(AF_INET, "127.0.0.1");
	put(unread.client, "to the server");
	put(unread.server, "to the client");
	struct pair full = meet(AF_INET, "127.0.0.1");
	size_t sent = fill(full.client);
	/* FIN_WAIT2 and CLOSE_WAIT, with something before the end. */
	struct pair half = meet(AF_INET, "127.0.0.1");
	put(half.client, "last words");
	must(shutdown(half.client, SHUT_WR));
	until_state(half.client, TCP_FIN_WAIT2);
	struct pair half6 = meet(AF_INET6, "::1");
	must(shutdown(half6.client, SHUT_WR));
	until_state(half6.client, TCP_FIN_WAIT2);
	/* The other end is closed for good, ours has data of it. */
	struct pair closed = meet(AF_INET, "127.0.0.1");
	put(closed.server, "farewell");
	close(closed.server);
	until_state(closed.client, TCP_CLOSE_WAIT);
	/* FIN_WAIT1: the window is full, so its end cannot be sent. */
	struct pair stuck = meet(AF_INET, "127.0.0.1");
	size_t stuck_bytes = fill(stuck.client);
	must(shutdown(stuck.client, SHUT_WR));
	until_state(stuck.client, TCP_FIN_WAIT1);
	/* CLOSE: both have ended, the descriptor is still there. */
	struct pair over = meet(AF_INET, "127.0.0.1");
	put(over.client, "bye");
	must(shutdown(over.client, SHUT_WR));
	must(shutdown(over.server, SHUT_WR));
	until_state(over.server, TCP_CLOSE);
	struct pair deaf = meet(AF_INET, "127.0.0.1");
	must(shutdown(deaf.client, SHUT_RD));

	ready();
	wait_until_told();

	prove("talks", talk(plain));
	prove("talks6", talk(v6));
	prove("mapped", talk(mapped));
	prove("options", get(plain.client, SOL_TCP, TCP_NODELAY) && get(plain.client, SOL_TCP, TCP_USER_TIMEOUT) == 60000 && get(plain.client, SOL_SOCKET, SO_KEEPALIVE)
		&& agreed(plain.client) == options && get(plain.server, SOL_SOCKET, SO_REUSEADDR) == reuse
		&& get(plain.client, SOL_SOCKET, SO_BUF_LOCK) == lock);
	prove("unread", next_is(unread.server, "to the server") && next_is(unread.client, "to the client") && talk(unread));
	prove("full", drain(full.server, sent) && talk(full));
	prove("half", is_state(half.client, TCP_FIN_WAIT2) && is_state(half.server, TCP_CLOSE_WAIT) && next_is(half.server, "last words") && ends(half.server));
	put(half.server, "answer");
	close(half.server);
	prove("answered", next_is(half.client, "answer") && ends(half.client));
	put(half6.server, "six");
	prove("half6", ends(half6.server) && next_is(half6.client, "six"));
	prove("closed", next_is(closed.client, "farewell") && ends(closed.client));
	prove("stuck", is_state(stuck.client, TCP_FIN_WAIT1) && drain(stuck.server, stuck_bytes) && ends(stuck.server));
	prove("over", is_state(over.server, TCP_CLOSE) && next_is(over.server, "bye") && ends(over.server) && send(over.server, "x", 1, MSG_NOSIGNAL) == -1);
	put(deaf.client, "still heard");
	prove("deaf", next_is(deaf.server, "still heard") && recv(deaf.client, &options, 1, MSG_DONTWAIT) == 0);
	restored();
}
