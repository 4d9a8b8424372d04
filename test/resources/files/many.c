/* More descriptors of each kind than are looked at, opened and handed over at a time, with gaps between their numbers. */
#include "program.h"
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define FILES 800
#define PAIRS 150
#define OTHERS 40

static int files[FILES], pairs[PAIRS][2], datagrams[OTHERS], listeners[OTHERS];

/* Every seventh has a far higher number, every fifth is closed by execve(2). */
static int placed(int fd, int number)
{
	if (number % 7 == 0) {
		int far = must(fcntl(fd, F_DUPFD, 1200 + number));
		close(fd);
		fd = far;
	}
	must(fcntl(fd, F_SETFD, number % 5 == 0 ? FD_CLOEXEC : 0));
	return fd;
}
static int is_placed(int fd, int number)
{
	return fcntl(fd, F_GETFD) == (number % 5 == 0 ? FD_CLOEXEC : 0) && (number % 7 != 0 || fd >= 1200);
}

static int flags_of(int number)
{
	static const int flags[] = { O_RDWR, O_RDWR | O_APPEND, O_RDONLY | O_NONBLOCK, O_WRONLY | O_NOATIME, O_PATH };
	return flags[number % 5];
}

static void open_files(const char *directory)
{
	char name[256];
	for (int number = 0; number < FILES; number++) {
		snprintf(name, sizeof name, "%s/%d", directory, number);
		int made = must(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
		must(write(made, name, 9));
		close(made);
		files[number] = placed(must(open(name, flags_of(number))), number);
		if (flags_of(number) != O_PATH) must(lseek(files[number], number % 9, SEEK_SET));
	}
}
static int are_files(const char *directory)
{
	char name[256];
	const int told = O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOATIME | O_PATH;
	for (int number = 0; number < FILES; number++) {
		struct stat here, there;
		int fd = files[number], wanted = flags_of(number);
		snprintf(name, sizeof name, "%s/%d", directory, number);
		if (fstat(fd, &here) != 0 || stat(name, &there) != 0 || here.st_ino != there.st_ino) return 0;
		if ((fcntl(fd, F_GETFL) & told) != (wanted & told) || !is_placed(fd, number)) return 0;
		if (wanted != O_PATH && lseek(fd, 0, SEEK_CUR) != number % 9) return 0;
	}
	return 1;
}

static void open_pairs(void)
{
	for (int number = 0; number < PAIRS; number++) {
		must(socketpair(AF_UNIX, number % 3 == 0 ? SOCK_SEQPACKET : SOCK_STREAM, 0, pairs[number]));
		for (int end = 0; end < 2; end++) pairs[number][end] = placed(pairs[number][end], number);
		must(write(pairs[number][0], &number, number % 2 == 0 ? sizeof number : 1));
	}
}
static int are_pairs(void)
{
	for (int number = 0; number < PAIRS; number++) {
		int got = 0, back = number;
		struct ucred by;
		socklen_t length = sizeof by;
		ssize_t wanted = number % 2 == 0 ? sizeof number : 1;
		if (read(pairs[number][1], &got, sizeof got) != wanted || (got & 0xff) != (number & 0xff)) return 0;
		if (write(pairs[number][1], &back, sizeof back) != sizeof back) return 0;
		if (read(pairs[number][0], &got, sizeof got) != sizeof got || got != number) return 0;
		if (getsockopt(pairs[number][0], SOL_SOCKET, SO_PEERCRED, &by, &length) != 0 || by.pid != getpid()) return 0;
		if (!is_placed(pairs[number][0], number) || !is_placed(pairs[number][1], number)) return 0;
	}
	return 1;
}

static struct sockaddr_in address_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof address;
	must(getsockname(fd, (struct sockaddr *)&address, &length));
	return address;
}
static int bound(int type, int number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = must(socket(AF_INET, type, 0)), priority = number % 6;
	must(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority));
	must(bind(fd, (struct sockaddr *)&address, sizeof address));
	return fd;
}
static void open_others(in_port_t *ports)
{
	for (int number = 0; number < OTHERS; number++) {
		datagrams[number] = placed(bound(SOCK_DGRAM, number), number);
		listeners[number] = placed(bound(SOCK_STREAM, number), number);
		must(listen(listeners[number], 3 + number));
		ports[number] = address_of(listeners[number]).sin_port;
	}
}
static int are_others(const in_port_t *ports)
{
	for (int number = 0; number < OTHERS; number++) {
		int priority = -1, client = must(socket(AF_INET, SOCK_STREAM, 0));
		socklen_t length = sizeof priority;
		struct sockaddr_in address = address_of(listeners[number]), to = address_of(datagrams[number]);
		char got[8];
		if (address.sin_port != ports[number]) return 0;
		if (connect(client, (struct sockaddr *)&address, sizeof address) != 0) return 0;
		close(client);
		if (getsockopt(datagrams[number], SOL_SOCKET, SO_PRIORITY, &priority, &length) != 0 || priority != number % 6) return 0;
		if (sendto(datagrams[(number + 1) % OTHERS], "one", 3, 0, (struct sockaddr *)&to, sizeof to) != 3) return 0;
		if (recv(datagrams[number], got, sizeof got, 0) != 3 || !is_placed(listeners[number], number)) return 0;
	}
	return 1;
}

/* argv[1]: a descriptor that the program does not have. */
int main(int argc, char **argv)
{
	char directory[] = "/tmp/stasis-many-XXXXXX", command[64];
	in_port_t ports[OTHERS];
	struct rlimit limit;
	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 4096;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	must(mkdtemp(directory) == NULL ? -1 : 0);
	int absent = argc > 1 ? atoi(argv[1]) : -1, stopgap = must(open("/dev/null", O_RDONLY));
	if (absent >= 0) must(dup2(stopgap, absent));
	open_files(directory);
	open_pairs();
	open_others(ports);
	if (absent >= 0) must(close(absent));

	ready();
	wait_until_told();

	prove("absent", absent < 0 || (fcntl(absent, F_GETFD) == -1 && errno == EBADF));
	prove("files", are_files(directory));
	prove("pairs", are_pairs());
	prove("others", are_others(ports));
	struct rlimit now;
	prove("limit", getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == 4096 && now.rlim_max == limit.rlim_max);
	snprintf(command, sizeof command, "rm -r %s", directory);
	prove("tidy", system(command) == 0);
	restored();
}
