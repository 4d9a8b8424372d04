/* Two ends of one long transfer: `tcp-transfer receive PORT BYTES`, `tcp-transfer send ADDRESS PORT BYTES`. Every byte is known by its place, so that
 * one that is lost, or comes twice, is found. Says `ready` in the middle; the last third is sent when the sender is told to, however slow the machine
 * that dumps it meanwhile. */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { PIECE = 16384 };
static unsigned char piece[PIECE];

static unsigned char byte_at(uint64_t place) { return place * 2654435761u >> 24; }

static int receiver(struct sockaddr_in to)
{
	int listener = must(socket(AF_INET, SOCK_STREAM, 0)), one = 1;
	must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
	must(bind(listener, (struct sockaddr *)&to, sizeof to));
	must(listen(listener, 1));
	say("listens");
	int sk = must(accept(listener, NULL, NULL));
	close(listener);
	return sk;
}

int main(int argc, char **argv)
{
	expect(argc >= 4);
	int receives = strcmp(argv[1], "receive") == 0;
	uint64_t bytes = strtoull(argv[argc - 1], NULL, 10), place = 0;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[argc - 2])) };
	if (!receives) expect(inet_pton(AF_INET, argv[2], &to.sin_addr) == 1);
	int sk = receives ? receiver(to) : must(socket(AF_INET, SOCK_STREAM, 0));
	if (!receives) must(connect(sk, (struct sockaddr *)&to, sizeof to));
	for (int said = 0, held = 0; place < bytes;) {
		if (!receives && place >= bytes / 3 * 2 && !held++) wait_until_told();
		size_t wanted = bytes - place < PIECE ? bytes - place : PIECE;
		if (!receives) for (size_t at = 0; at < wanted; at++) piece[at] = byte_at(place + at);
		ssize_t moved = receives ? must(read(sk, piece, wanted)) : must(write(sk, piece, wanted));
		expect(moved > 0);
		if (receives) for (ssize_t at = 0; at < moved; at++) expect(piece[at] == byte_at(place + at));
		place += moved;
		/* The reader is in no hurry, so that the writer is in the middle too. */
		if (receives) usleep(500);
		if (place >= bytes / 3 && !said++) ready();
	}
	if (receives) expect(read(sk, piece, 1) == 0);
	say("%llu bytes", (unsigned long long)place);
	restored();
}
