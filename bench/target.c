// What the bench dumps: argv[1] MiB of memory, every page of it touched and none like another, and a clock that is read all the time.
// argv[2] is a file of two words that it shares with the bench: the longest gap between two readings in ns, and how many there were.
// argv[3] is how many mappings the memory is in, argv[4] how many processes there are, argv[5] how many regular files are open, argv[6] how
// many sockets: unix pairs, bound UDP and listening TCP in turn. argv[7] is 1 when the processes share one more listening socket.
// A gap is what the program itself sees of a pause. It writes to a page a reading, so pages that are copied on write count too.
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct report {
	volatile uint64_t longest_ns;
	volatile uint64_t readings;
};

static uint64_t now_ns(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000ull + at.tv_nsec;
}

static void fill(uint64_t *memory, size_t words)
{
	uint64_t state = 0x9e3779b97f4a7c15ull;

	for (size_t at = 0; at < words; at++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memory[at] = state;
	}
}

// Neighbours of different protection are mappings of their own.
static void split(char *memory, size_t size, size_t mappings)
{
	size_t length = size / mappings / 4096 * 4096;

	for (size_t at = 1; at < mappings; at += 2)
		if (mprotect(memory + at * length, length, PROT_READ | PROT_WRITE | PROT_EXEC) < 0) {
			perror("mprotect");
			exit(1);
		}
}

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

static void open_files(int count)
{
	char name[32];

	for (int number = 0; number < count; number++) {
		snprintf(name, sizeof(name), "files/%d", number);
		must(open(name, O_RDWR | O_CREAT, 0600), name);
	}
}

static void open_internet_socket(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type, 0);

	must(fd, "socket");
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
	if (type == SOCK_STREAM)
		must(listen(fd, 16), "listen");
}

static void open_sockets(int count)
{
	int pair[2];

	for (; count >= 4; count -= 4) {
		must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
		open_internet_socket(SOCK_DGRAM);
		open_internet_socket(SOCK_STREAM);
	}
}

static void fork_children(int count)
{
	for (; count > 0; count--) {
		int pid = fork();

		must(pid, "fork");
		while (pid == 0)
			pause();
	}
}

int main(int argc, char **argv)
{
	const struct timespec rest = { 0, 50 * 1000 };
	size_t size = argc == 8 ? strtoull(argv[1], NULL, 10) << 20 : 0;
	int fd = size > 0 ? open(argv[2], O_RDWR) : -1;
	struct report *report = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;

	if (report == MAP_FAILED || memory == MAP_FAILED) {
		perror("target");
		return 1;
	}
	close(fd);
	allow_descriptors();
	open_files(atoi(argv[5]));
	open_sockets(atoi(argv[6]));
	if (atoi(argv[7]) != 0)
		open_internet_socket(SOCK_STREAM);
	fork_children(atoi(argv[4]) - 1);
	split(memory, size, strtoull(argv[3], NULL, 10));
	fill((uint64_t *)memory, size / sizeof(uint64_t));
	before = now_ns();
	for (size_t page = 0;; page = (page + 4096 * 17) % size) {
		uint64_t now = now_ns();

		if (now - before > report->longest_ns)
			report->longest_ns = now - before;
		before = now;
		memory[page]++;
		report->readings++;
		nanosleep(&rest, NULL);
	}
}
