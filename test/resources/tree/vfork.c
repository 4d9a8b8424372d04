/* A process with a child that has its memory, by vfork(2), and calls execve(2) a little later. */
#include "program.h"
#include <pthread.h>

static volatile pid_t child;
static volatile int spawning;

static void *spawn(void *unused)
{
	pid_t pid;
	spawning = 1;
	pid = vfork();
	if (pid == 0) {
		struct timespec moment = { 0, 300000000 };
		nanosleep(&moment, NULL);
		execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	child = pid;
	return unused;
}

int main(void)
{
	pthread_t thread;
	int status;
	pthread_create(&thread, NULL, spawn, NULL);
	while (!spawning) usleep(100);
	ready();
	wait_until_told();
	pthread_join(thread, NULL);
	prove("child", kill(child, SIGTERM) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	restored();
}
