/* A program with a little of everything that the kernel shows: a thread, a timer, an eventfd, a pipe, a lock, named memory. */
#include "program.h"
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>

static void *sleep_forever(void *nothing)
{
	for (;;) pause();
	return nothing;
}

int main(void)
{
	pthread_t thread;
	int ends[2];
	timer_t timer;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 7 };

	must(pthread_create(&thread, NULL, sleep_forever, NULL));
	must(pipe(ends));
	must(eventfd(3, EFD_SEMAPHORE));
	must(timer_create(CLOCK_MONOTONIC, &event, &timer));
	int file = must(open("locked", O_CREAT | O_RDWR, 0600));
	must(flock(file, LOCK_EX));
	must(unlink("locked"));
	must(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	ready();
	wait_until_told();
	must(eventfd(4, 0));
	say("changed");
	wait_until_told();
	restored();
}
