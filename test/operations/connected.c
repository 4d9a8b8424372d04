/* TCP connections that are in use without a pause. Each worker counts its rounds in the file `beats`; whoever finds something wrong says so
 * and ends the program. */
#include "program.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

enum { PING, WRITER, READER };
static volatile uint64_t *beats;
struct pair { int client, server; };
static struct pair stream;
/* Odd, so that pieces of the stream end anywhere. */
enum { PIECE = 7919 };

static struct pair meet(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof in;
	int listener = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	must(bind(listener, (struct sockaddr *)&in, length));
	must(listen(listener, 1));
	must(getsockname(listener, (struct sockaddr *)&in, &length));
	struct pair pair = { must(socket(AF_INET, SOCK_STREAM, 0)), -1 };
	must(connect(pair.client, (struct sockaddr *)&in, length));
	pair.server = must(accept(listener, NULL, NULL));
	close(listener);
	return pair;
}
static void not_under_repair(int sk)
{
	int value = 1;
	socklen_t length = sizeof value;
	must(getsockopt(sk, SOL_TCP, TCP_REPAIR, &value, &length));
	expect(value == 0);
}
static void all(ssize_t (*move)(int, void *, size_t), int sk, void *bytes, size_t count)
{
	for (size_t at = 0; at < count;) {
		ssize_t moved = must(move(sk, (char *)bytes + at, count - at));
		expect(moved > 0);
		at += moved;
	}
}
static ssize_t put(int sk, void *bytes, size_t count) { return write(sk, bytes, count); }

static void *write_stream(void *unused)
{
	static uint32_t numbers[PIECE];
	for (uint32_t number = 0;; beats[WRITER]++) {
		for (int i = 0; i < PIECE; i++) numbers[i] = number++;
		all(put, stream.client, numbers, sizeof numbers);
		not_under_repair(stream.client);
	}
	return unused;
}
static void *read_stream(void *unused)
{
	static uint32_t numbers[PIECE];
	for (uint32_t number = 0;; beats[READER]++) {
		all(read, stream.server, numbers, sizeof numbers);
		for (int i = 0; i < PIECE; i++) expect(numbers[i] == number++);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;
	struct pair pair = meet();
	int file = must(open("beats", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), said = 0;
	must(ftruncate(file, 4096));
	beats = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	stream = meet();
	expect(pthread_create(&thread, NULL, write_stream, NULL) == 0);
	expect(pthread_create(&thread, NULL, read_stream, NULL) == 0);
	for (uint32_t number = 0, got; !told_; number++, beats[PING]++) {
		all(put, pair.client, &number, sizeof number);
		all(read, pair.server, &got, sizeof got);
		expect(got == number);
		all(put, pair.server, &got, sizeof got);
		all(read, pair.client, &got, sizeof got);
		expect(got == number);
		not_under_repair(pair.client);
		if (beats[READER] > 3 && !said++) ready();
	}
	restored();
}
