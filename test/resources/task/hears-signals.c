/* Takes real-time signals by their payload, 1 and up, in two threads that sleep and work; says so when they end. */
#include "program.h"
#include <pthread.h>

static volatile int last, disorder, heard_child;
static void hear(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	if (info->si_value.sival_int != last + 1) disorder++;
	last = info->si_value.sival_int;
}
static void *work(void *unused)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (volatile long i = 0;; i++);
	return unused;
}
int main(void)
{
	pthread_t thread;
	struct sigaction action = { .sa_sigaction = hear, .sa_flags = SA_SIGINFO };
	must(sigaction(SIGRTMIN + 3, &action, NULL));
	pthread_create(&thread, NULL, work, NULL);
	ready();
	wait_until_told();
	say("heard %d, %d of them out of order", last, disorder);
	restored();
}
