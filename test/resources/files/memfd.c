/* Files in memory: sealed, shared, mapped, executable; and shared anonymous memory that was opened through map_files. */
#include "program.h"
#include <sys/socket.h>
#include <sys/syscall.h>

enum { PAGE = 4096, NOEXEC_SEAL = 8, SEAL_EXEC = 0x20 };
static const char script[] = "#!/bin/true";

static int make(const char *name, unsigned flags, off_t size)
{
	int fd = must(memfd_create(name, flags));
	must(ftruncate(fd, size));
	return fd;
}
static int again(int fd, int flags)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return must(open(path, flags));
}
static char *map(int fd, size_t length, int protection, int flags)
{
	return must(mmap(NULL, length, protection, flags, fd, 0));
}
static long blocks(int fd)
{
	struct stat found;
	must(fstat(fd, &found));
	return found.st_blocks;
}
static int has_mode(int fd, mode_t mode, uid_t user, gid_t group)
{
	struct stat found;
	must(fstat(fd, &found));
	return (found.st_mode & 07777) == mode && found.st_uid == user && found.st_gid == group;
}
static int runs(int fd)
{
	int status;
	pid_t child = must(fork());
	if (child == 0) {
		char *const words[] = { "true", NULL }, *const none[] = { NULL };
		syscall(SYS_execveat, fd, "", words, none, AT_EMPTY_PATH);
		_exit(errno);
	}
	must(waitpid(child, &status, 0));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
static void send_file(int to, int fd)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof fd)]; } control = { 0 };
	struct iovec text = { "x", 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	control.head = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must(sendmsg(to, &message, 0));
}
static int receive_file(int from)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	char byte;
	struct iovec text = { &byte, 1 };
	struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int fd;
	must(recvmsg(from, &message, 0));
	memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

/* Answers in the next word of memory that it shares with its parent by a mapping alone. */
static void child(volatile uint32_t *shared)
{
	shared[2] = 1;
	for (;;) {
		if (shared[0] != 0 && shared[1] == 0) shared[1] = shared[0] + 1;
		usleep(1000);
	}
}

int main(void)
{
	char text[16] = "", path[64];
	int plain = make("a name with \n and (deleted)", 0, 2 * PAGE + 100);
	must(pwrite(plain, "tail", 4, 2 * PAGE + 96));
	must(lseek(plain, 5, SEEK_SET));
	int same = must(dup(plain)), other = again(plain, O_RDWR | O_APPEND), reader = again(plain, O_RDONLY);
	must(lseek(reader, 2 * PAGE + 96, SEEK_SET));
	must(fchown(plain, 123, 456));
	must(fchmod(plain, 0640));

	int empty = make("", MFD_ALLOW_SEALING, 0);
	int sparse = make("sparse", 0, 1l << 32);
	must(pwrite(sparse, "far", 3, 3l << 30));
	long sparse_blocks = blocks(sparse);

	int fixed = make("fixed", MFD_ALLOW_SEALING, PAGE);
	must(fcntl(fixed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	int constant = make("constant", MFD_ALLOW_SEALING, PAGE);
	must(pwrite(constant, "constant", 8, 0));
	must(fcntl(constant, F_ADD_SEALS, F_SEAL_WRITE));
	int future = make("future", MFD_ALLOW_SEALING, PAGE);
	char *writable = map(future, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	must(fcntl(future, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	int never = memfd_create("never", NOEXEC_SEAL);
	int has_never = never >= 0;

	int program = make("program", 0, 0);
	must(write(program, script, sizeof script - 1));
	char *mapped_program = map(program, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	int mapped = make("mapped", 0, 4 * PAGE);
	char *shared = map(mapped, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *private = map(mapped, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	strcpy(shared, "first");
	strcpy(private + PAGE, "mine");
	volatile uint32_t *words = (void *)(shared + 3 * PAGE);
	pid_t helper = must(fork());
	if (helper == 0) {
		closefrom(3);
		child(words);
	}
	while (words[2] == 0) usleep(1000);

	char *anonymous = must(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (long)anonymous, (long)anonymous + 3 * PAGE);
	int opened = must(open(path, O_RDWR));
	char *of_opened = map(opened, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	strcpy(anonymous, "one");
	strcpy(anonymous + PAGE, "two");
	strcpy(of_opened + PAGE, "my own two");
	must(munmap(anonymous + 2 * PAGE, PAGE));

	int ends[2], sent = make("sent", 0, PAGE);
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	must(pwrite(sent, "on its way", 10, 0));
	send_file(ends[0], sent);
	close(sent);
	ready();
	wait_until_told();

	prove("contents", pread(plain, text, 10, 2 * PAGE + 96) == 4 && memcmp(text, "tail", 4) == 0);
	prove("position", lseek(plain, 0, SEEK_CUR) == 5 && lseek(same, 1, SEEK_CUR) == 6 && lseek(plain, 0, SEEK_CUR) == 6);
	prove("another", lseek(reader, 0, SEEK_CUR) == 2 * PAGE + 96 && write(reader, "x", 1) == -1 && errno == EBADF);
	prove("append", write(other, "end", 3) == 3 && pread(reader, text, 10, 2 * PAGE + 100) == 3);
	prove("mode", has_mode(plain, 0640, 123, 456));
	prove("empty", lseek(empty, 0, SEEK_END) == 0 && fcntl(empty, F_GET_SEALS) == 0 && write(empty, "x", 1) == 1);
	prove("unsealable", fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL && fcntl(plain, F_ADD_SEALS, F_SEAL_GROW) == -1 && errno == EPERM);
	prove_equal("sparse", blocks(sparse), sparse_blocks);
	prove("far", pread(sparse, text, 3, 3l << 30) == 3 && memcmp(text, "far", 3) == 0);
	prove("seals", fcntl(fixed, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) && ftruncate(fixed, 1) == -1 && write(fixed, "y", 1) == 1);
	prove("constant", fcntl(constant, F_GET_SEALS) == F_SEAL_WRITE && write(constant, "x", 1) == -1 && pread(constant, text, 8, 0) == 8 && memcmp(text, "constant", 8) == 0);
	strcpy(writable, "still");
	prove("future", pread(future, text, 6, 0) == 6 && strcmp(text, "still") == 0 && write(future, "x", 1) == -1 && errno == EPERM);
	prove("never", !has_never || (has_mode(never, 0666, 0, 0) && (fcntl(never, F_GET_SEALS) & SEAL_EXEC) && fchmod(never, 0777) == -1));
	prove("program", mapped_program[0] == '#' && runs(program));
	prove("shared", strcmp(shared, "first") == 0 && pwrite(mapped, "other", 5, 0) == 5 && strcmp(shared, "other") == 0);
	prove("private", strcmp(private, "other") == 0 && strcmp(private + PAGE, "mine") == 0 && shared[PAGE] == 0);
	words[0] = 41;
	for (int i = 0; i < 5000 && words[1] == 0; i++) usleep(1000);
	prove_equal("processes", words[1], 42);
	strcpy(anonymous, "uno");
	prove("anonymous", pread(opened, text, 4, 0) == 4 && strcmp(text, "uno") == 0 && strcmp(of_opened, "uno") == 0);
	prove("own", strcmp(anonymous + PAGE, "two") == 0 && strcmp(of_opened + PAGE, "my own two") == 0);
	prove("size", lseek(opened, 0, SEEK_END) == 3 * PAGE);
	int received = receive_file(ends[1]);
	prove("sent", pread(received, text, 10, 0) == 10 && memcmp(text, "on its way", 10) == 0);
	kill(helper, SIGKILL);
	restored();
}
