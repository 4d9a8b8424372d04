// Statically linked: two threads that count the expirations of a POSIX timer and of a timerfd, and an interval timer.
#include "program.h"
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static volatile uint32_t alarms, expirations, ticks;
static void on_alarm(int signal) { (void)signal; alarms++; }

static void *count_timer(void *unused) {
	(void)unused;
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	for (;;)
		if (sigwaitinfo(&set, &info) == SIGRTMIN && info.si_value.sival_int == 4711)
			expirations++;
}

static void *count_timerfd(void *fd) {
	uint64_t count;
	for (;;)
		if (read(*(int *)fd, &count, sizeof(count)) == sizeof(count))
			ticks += count;
}

int main(void) {
	struct itimerspec every = {{0, 5000000}, {0, 5000000}};
	struct itimerval interval = {{0, 5000}, {0, 5000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4711};
	pthread_t thread;
	timer_t timer;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGALRM, on_alarm);
	int fd = must(timerfd_create(CLOCK_MONOTONIC, 0));
	must(timer_create(CLOCK_MONOTONIC, &event, &timer));
	must(timer_settime(timer, 0, &every, NULL));
	must(timerfd_settime(fd, 0, &every, NULL));
	must(setitimer(ITIMER_REAL, &interval, NULL));
	pthread_create(&thread, NULL, count_timer, NULL);
	pthread_create(&thread, NULL, count_timerfd, &fd);
	while (alarms < 5 || expirations < 5 || ticks < 5)
		usleep(1000);
	ready();
	wait_until_told();
	uint32_t before[] = {alarms, expirations, ticks};
	for (int i = 0; i < 5000 && (alarms < before[0] + 5 || expirations < before[1] + 5 || ticks < before[2] + 5); i++)
		usleep(1000);
	expect(alarms >= before[0] + 5);
	expect(expirations >= before[1] + 5);
	expect(ticks >= before[2] + 5);
	restored();
	return 0;
}
