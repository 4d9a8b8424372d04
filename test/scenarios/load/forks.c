/* Forks and reaps all the time, in each way there is: fork, vfork, clone of a thread that forks, posix_spawn of a program, children that have children, that are
 * killed, stopped and continued, and whose orphans come to us. Every exit status is the one that it must be; says `round N` after each kind. */
#define _GNU_SOURCE
#include "program.h"
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

extern char **environ;

static int status_of(pid_t child)
{
	int status;
	expect(must(waitpid(child, &status, 0)) == child);
	return status;
}

static pid_t exits(int code)
{
	pid_t child = must(fork());
	if (child == 0) _exit(code);
	return child;
}

static void forked(int seed)
{
	pid_t children[12];
	for (int i = 0; i < 12; i++) children[i] = exits((seed + i) & 127);
	for (int i = 11; i >= 0; i--) {
		int status = status_of(children[i]);
		expect(WIFEXITED(status) && WEXITSTATUS(status) == ((seed + i) & 127));
	}
}

static void spawned(int seed)
{
	char code[8];
	char *words[] = { "sh", "-c", "exit $1", "sh", code, NULL };
	pid_t child;
	snprintf(code, sizeof code, "%d", seed & 127);
	expect(posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ) == 0);
	expect(WEXITSTATUS(status_of(child)) == (seed & 127));
}

static void vforked(int seed)
{
	pid_t child = vfork();
	if (child == 0) { usleep(500); _exit(seed & 127); }
	expect(WEXITSTATUS(status_of(must(child))) == (seed & 127));
}

static void signalled(int seed)
{
	(void)seed;
	pid_t child = must(fork());
	if (child == 0) for (;;) pause();
	int status;
	must(kill(child, SIGSTOP));
	expect(must(waitpid(child, &status, WUNTRACED)) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	/* That it was continued is not waited for: a dump in between loses it, docs/support.md. */
	must(kill(child, SIGCONT));
	must(kill(child, SIGTERM));
	status = status_of(child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Three generations; the middle one ends first, and the last comes to us, the subreaper. */
static void orphaned(int seed)
{
	int ends[2];
	pid_t orphan, child;
	must(pipe(ends));
	if ((child = must(fork())) == 0) {
		if ((orphan = must(fork())) == 0) { usleep(300); _exit(seed & 63); }
		must(write(ends[1], &orphan, sizeof orphan));
		_exit(64);
	}
	expect(WEXITSTATUS(status_of(child)) == 64);
	expect(read(ends[0], &orphan, sizeof orphan) == sizeof orphan);
	expect(WEXITSTATUS(status_of(orphan)) == (seed & 63));
	must(close(ends[0]));
	must(close(ends[1]));
}

static void *forking(void *seed)
{
	forked(*(int *)seed);
	return NULL;
}

static void threaded(int seed)
{
	pthread_t threads[3];
	for (int i = 0; i < 3; i++) expect(pthread_create(&threads[i], NULL, forking, &seed) == 0);
	for (int i = 0; i < 3; i++) expect(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
	void (*kinds[])(int) = { forked, spawned, vforked, signalled, orphaned, threaded };
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (int round = 1;; round++) {
		kinds[round % 6](round);
		say("round %d", round);
	}
}
