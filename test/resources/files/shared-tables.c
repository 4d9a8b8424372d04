/* A family whose members share descriptions, descriptor tables, directories; each has a root, a umask of its own. */
#define _GNU_SOURCE
#include "program.h"
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

enum { INHERITS, SHARES_TABLE, SHARES_DIRECTORY, LIVES_ELSEWHERE, CHILDREN };
struct board {
	volatile int made[CHILDREN], step, done[CHILDREN], answer[CHILDREN];
};
static struct board *board;
static int file, watched[2], set;

static int next_is(int from, const char *wanted)
{
	char text[16] = "";
	return read(from, text, strlen(wanted)) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0;
}

static int inherits(void)
{
	struct epoll_event event;
	/* Ours are 10 and 11, and the parent's number is closed. */
	return fcntl(file, F_GETFD) == -1 && (fcntl(10, F_GETFD) & FD_CLOEXEC) && !(fcntl(11, F_GETFD) & FD_CLOEXEC) && next_is(10, "cd") && next_is(11, "ef") &&
	       epoll_wait(set, &event, 1, 0) == 1 && event.data.u32 == 55;
}
static int shares_table(void)
{
	return dup2(file, 200) == 200 && close(watched[0]) == 0;
}
static int shares_directory(void)
{
	umask(051);
	return chdir("inner") == 0;
}
static int lives_elsewhere(void)
{
	char here[128];
	struct stat stat_;
	int found = access("/inside", F_OK) == 0 && getcwd(here, sizeof here) != NULL && strcmp(here, "/deeper") == 0;
	return found && umask(0) == 0123 && stat("../..", &stat_) == 0 && access("../../inside", F_OK) == 0;
}

static void child(int which)
{
	int (*answers[])(void) = { inherits, shares_table, shares_directory, lives_elsewhere };
	if (which == INHERITS) {
		must(dup3(file, 10, O_CLOEXEC));
		must(dup2(10, 11));
		close(file);
	}
	if (which == LIVES_ELSEWHERE) {
		must(mkdir("jail", 0755));
		close(must(open("jail/inside", O_CREAT | O_RDWR, 0600)));
		must(mkdir("jail/deeper", 0755));
		must(chroot("jail"));
		must(chdir("/deeper"));
		umask(0123);
	}
	board->made[which] = 1;
	while (board->step != which + 1) usleep(1000);
	board->answer[which] = answers[which]();
	board->done[which] = 1;
	for (;;) pause();
}

static int ask(int which)
{
	board->step = which + 1;
	for (int i = 0; i < 10000 && !board->done[which]; i++) usleep(1000);
	return board->answer[which];
}

int main(void)
{
	char here[128], before[128];
	int flags[CHILDREN] = { [SHARES_TABLE] = CLONE_FILES, [SHARES_DIRECTORY] = CLONE_FS };
	pid_t children[CHILDREN];

	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	file = must(open("letters", O_RDWR | O_CREAT, 0600));
	must(write(file, "abcdefghij", 10));
	must(lseek(file, 0, SEEK_SET));
	must(pipe(watched));
	must(write(watched[1], "x", 1));
	set = must(epoll_create1(0));
	struct epoll_event event = { EPOLLIN, { .u32 = 55 } };
	must(epoll_ctl(set, EPOLL_CTL_ADD, watched[0], &event));
	must(mkdir("inner", 0755));
	umask(027);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = must(syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0));
		if (children[i] == 0) child(i);
	}
	for (int i = 0; i < CHILDREN; i++)
		while (!board->made[i]) usleep(1000);
	must(next_is(file, "ab"));
	must(mkdir("gone", 0755));
	if (fork() == 0) {
		must(chdir("gone"));
		board->made[0] = 2;
		for (;;) pause();
	}
	while (board->made[0] != 2) usleep(1000);
	must(rmdir("gone"));
	must(getcwd(before, sizeof before) != NULL);
	ready();
	wait_until_told();

	prove("description", ask(INHERITS) && next_is(file, "gh"));
	prove("table", ask(SHARES_TABLE) && fcntl(200, F_GETFD) >= 0 && fcntl(watched[0], F_GETFD) == -1 && next_is(200, "ij"));
	prove("directory", ask(SHARES_DIRECTORY) && getcwd(here, sizeof here) != NULL && strncmp(here, before, strlen(before)) == 0 && strcmp(here + strlen(before), "/inner") == 0);
	prove("umask", umask(0) == 051);
	prove("root", ask(LIVES_ELSEWHERE));
	for (int i = 0; i < CHILDREN; i++) kill(children[i], SIGKILL);
	restored();
}
