/* flock(2), POSIX and OFD locks, also of a child that inherited the file; leases, also those that somebody waits for. */
#include "program.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/file.h>

static int make(const char *name)
{
	int file = must(open(name, O_RDWR | O_CREAT, 0644));
	must(ftruncate(file, 100));
	return file;
}
/* By another opening of the file: 0 when it may. */
static int lock_whole(const char *name, int operation)
{
	int file = must(open(name, O_RDWR));
	int result = flock(file, operation | LOCK_NB) == 0 ? 0 : errno;
	must(close(file));
	return result;
}
static int range(int file, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	return fcntl(file, command, &lock);
}
/* Whose lock stands in the way of the calling process, -1: of an open file, 0: none. */
static pid_t owner(int file, off_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
	must(fcntl(file, F_GETLK, &lock));
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}
static int can_open(const char *name, int flags)
{
	int file = open(name, flags | O_NONBLOCK);
	if (file != -1) close(file);
	return file != -1;
}
static volatile int told_times, told_of;
static void on_break(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	told_times++;
	told_of = info->si_fd;
}
static int lease(const char *name, int flags, int type)
{
	int file = must(open(name, flags | O_CREAT, 0644));
	must(fcntl(file, F_SETSIG, SIGRTMIN));
	must(fcntl(file, F_SETLEASE, type));
	return file;
}
/* What a child without inherited locks of its own sees. */
static pid_t asked_by_child(int file, off_t at)
{
	pid_t child = must(fork());
	if (child == 0) _exit(owner(file, at) == getppid());
	int status;
	must(waitpid(child, &status, 0));
	return WEXITSTATUS(status);
}

/* So many descriptors that a dump asks for them in another way. */
static void fill_table(const char *path, int count)
{
	struct rlimit limit;
	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	for (int number = 0; number < count; number++) must(open(path, O_RDONLY));
}

/* Nobody else can open a socket to try. */
static int has_lock(int fd)
{
	char path[64], text[1024] = "";
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	int info = must(open(path, O_RDONLY));
	must(read(info, text, sizeof text - 1));
	close(info);
	return strstr(text, "FLOCK") != NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1) fill_table(argv[0], atoi(argv[1]));
	int go[2], flocked = make("flocked"), shared = make("shared"), ranges = make("ranges"), owned = make("owned");
	must(flock(flocked, LOCK_EX));
	must(flock(shared, LOCK_SH));
	int pair[2];
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(flock(pair[0], LOCK_EX));
	must(range(ranges, F_SETLK, F_WRLCK, 10, 5));
	must(range(ranges, F_SETLK, F_RDLCK, 50, 0));
	must(range(owned, F_OFD_SETLK, F_WRLCK, 20, 10));
	must(pipe(go));
	pid_t child = must(fork());
	if (child == 0) {
		char byte;
		must(range(ranges, F_SETLK, F_WRLCK, 30, 1));
		must(read(go[0], &byte, 1));
		prove_equal("inherited", flock(flocked, LOCK_EX | LOCK_NB), 0);
		_exit(0);
	}
	while (owner(ranges, 30) != child) usleep(1000);

	struct sigaction action = { .sa_sigaction = on_break, .sa_flags = SA_SIGINFO };
	must(sigaction(SIGRTMIN, &action, NULL));
	int read_lease = lease("read-lease", O_RDONLY, F_RDLCK), write_lease = lease("write-lease", O_RDWR, F_WRLCK);
	int program_lease = lease("program.so", O_RDWR, F_WRLCK);
	must(fchmod(program_lease, 0755));
	int breaking = lease("breaking", O_RDONLY, F_RDLCK), downgrading = lease("downgrading", O_RDWR, F_WRLCK);
	expect(!can_open("breaking", O_WRONLY) && !can_open("downgrading", O_RDONLY) && told_times == 2);
	ready();
	wait_until_told();

	prove("flock", lock_whole("flocked", LOCK_SH) == EWOULDBLOCK);
	prove("shared", lock_whole("shared", LOCK_SH) == 0 && lock_whole("shared", LOCK_EX) == EWOULDBLOCK);
	prove("range", asked_by_child(ranges, 10) && asked_by_child(ranges, 14) && asked_by_child(ranges, 99) && !asked_by_child(ranges, 9) && !asked_by_child(ranges, 15));
	prove("socket", has_lock(pair[0]) && !has_lock(pair[1]));
	prove_equal("child", owner(ranges, 30), child);
	int other = must(open("owned", O_RDWR));
	prove("description", owner(other, 20) == -1 && owner(other, 29) == -1 && owner(other, 30) == 0 && range(owned, F_OFD_SETLK, F_WRLCK, 20, 10) == 0);
	prove("silent", told_times == 2);
	prove_equal("program", fcntl(program_lease, F_GETLEASE), F_WRLCK);
	prove_equal("breaking", fcntl(breaking, F_GETLEASE), F_UNLCK);
	prove("downgrading", fcntl(downgrading, F_GETLEASE) == F_RDLCK && !can_open("downgrading", O_RDONLY));
	prove("read", fcntl(read_lease, F_GETLEASE) == F_RDLCK && can_open("read-lease", O_RDONLY));
	prove("write", fcntl(write_lease, F_GETLEASE) == F_WRLCK && !can_open("write-lease", O_RDONLY));
	prove("number", told_times == 3 && told_of == write_lease);
	must(write(go[1], "x", 1));
	must(waitpid(child, NULL, 0));
	restored();
}
