/* Timers that are armed far in the future, disarmed, expired and pending, of every clock and way to tell. */
#include "program.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
static pid_t worker;
static pthread_barrier_t started;
static volatile int worker_ticks, stop;

/* The kernel's own numbers: glibc hides them. */
static int make(clockid_t clock, struct sigevent *event)
{
	int id = -1;
	must(syscall(SYS_timer_create, clock, event, &id));
	return id;
}
static void set(int id, long first_ms, long every_ms)
{
	struct itimerspec spec = { { every_ms / 1000, every_ms % 1000 * 1000000 }, { first_ms / 1000, first_ms % 1000 * 1000000 } };
	must(syscall(SYS_timer_settime, id, 0, &spec, NULL));
}
static struct itimerspec left(int id)
{
	struct itimerspec spec = { 0 };
	syscall(SYS_timer_gettime, id, &spec);
	return spec;
}
static int almost(long seconds, long wanted) { return seconds <= wanted && seconds > wanted - 60; }

static void *work(void *unused)
{
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	worker = gettid();
	pthread_barrier_wait(&started);
	while (!stop)
		if (sigwaitinfo(&set, &info) == SIGRTMIN + 1 && info.si_code == SI_TIMER && info.si_value.sival_int == 77) worker_ticks++;
	return unused;
}

static int take(int signal, siginfo_t *info)
{
	sigset_t set;
	struct timespec limit = { 10, 0 };
	sigemptyset(&set);
	sigaddset(&set, signal);
	return sigtimedwait(&set, info, &limit);
}

int main(void)
{
	pthread_t thread;
	sigset_t blocked;
	siginfo_t info;
	struct itimerval real = { { 7, 0 }, { 5000, 0 } }, virtual = { { 0, 0 }, { 300, 0 } }, profiling = { { 3, 500000 }, { 700, 0 } }, now;
	struct sigevent none = { .sigev_notify = SIGEV_NONE }, with = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_ptr = (void *)0x1122334455667788 };
	struct sigevent merged = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 5 };
	struct sigevent to_thread = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 77 };

	sigemptyset(&blocked);
	for (int signal = SIGRTMIN; signal <= SIGRTMIN + 9; signal++) sigaddset(&blocked, signal);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	pthread_barrier_init(&started, NULL, 2);
	pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&started);
	must(setitimer(ITIMER_REAL, &real, NULL));
	must(setitimer(ITIMER_VIRTUAL, &virtual, NULL));
	must(setitimer(ITIMER_PROF, &profiling, NULL));

	int first = make(CLOCK_MONOTONIC, &none);
	int gap = make(CLOCK_REALTIME, &none);
	int armed = make(CLOCK_REALTIME, &with);
	int cpu = make(CLOCK_PROCESS_CPUTIME_ID, &with);
	int boot = make(CLOCK_BOOTTIME, &none);
	int soon = make(CLOCK_MONOTONIC, &with);
	int overrun = make(CLOCK_MONOTONIC, &merged);
	to_thread.sigev_notify_thread_id = worker;
	int threads = make(CLOCK_MONOTONIC, &to_thread);
	must(syscall(SYS_timer_delete, gap));
	set(armed, 4000000, 0);
	set(cpu, 900000, 11000);
	set(boot, 5000000, 0);
	set(soon, 300, 0);
	set(overrun, 2, 2);
	set(threads, 2, 2);
	while (worker_ticks < 3) usleep(1000);
	sigset_t pending;
	while (sigpending(&pending) == 0 && !sigismember(&pending, SIGRTMIN + 3)) usleep(1000);
	ready();
	wait_until_told();

	must(getitimer(ITIMER_REAL, &now));
	prove("real", almost(now.it_value.tv_sec, 5000) && now.it_interval.tv_sec == 7);
	must(getitimer(ITIMER_VIRTUAL, &now));
	prove("virtual", almost(now.it_value.tv_sec, 300) && now.it_interval.tv_sec == 0);
	must(getitimer(ITIMER_PROF, &now));
	prove("prof", almost(now.it_value.tv_sec, 700) && now.it_interval.tv_sec == 3 && now.it_interval.tv_usec == 500000);
	prove("ids", syscall(SYS_timer_getoverrun, gap) == -1 && errno == EINVAL && syscall(SYS_timer_getoverrun, first) == 0);
	int next = make(CLOCK_MONOTONIC, &none);
	prove("next", next != first && next != armed && next != cpu && next != boot && next != soon && next != overrun && next != threads);
	prove("disarmed", left(first).it_value.tv_sec == 0 && left(first).it_value.tv_nsec == 0);
	prove("armed", almost(left(armed).it_value.tv_sec, 4000) && left(armed).it_interval.tv_sec == 0);
	prove("cpu", almost(left(cpu).it_value.tv_sec, 900) && left(cpu).it_interval.tv_sec == 11);
	prove("boot", almost(left(boot).it_value.tv_sec, 5000));
	prove("soon", take(SIGRTMIN + 2, &info) == SIGRTMIN + 2 && info.si_code == SI_TIMER && info.si_timerid == soon && info.si_value.sival_ptr == (void *)0x1122334455667788);
	prove("overrun", take(SIGRTMIN + 3, &info) == SIGRTMIN + 3 && info.si_timerid == overrun && info.si_value.sival_int == 5);
	do take(SIGRTMIN + 3, &info);
	while (info.si_overrun == 0 && usleep(20000) == 0);
	prove("onward", info.si_signo == SIGRTMIN + 3 && info.si_timerid == overrun);
	int ticks = worker_ticks;
	for (int i = 0; i < 5000 && worker_ticks < ticks + 5; i++) usleep(1000);
	prove("thread", worker_ticks >= ticks + 5);
	restored();
}
