/* Timers of every clock that there is here, each with every way to tell: armed far ahead, and some that go off after the dump. */
#include "program.h"
#include <pthread.h>
#include <sys/syscall.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
enum { NONE, SIGNAL, TO_THREAD, WAYS, FAR = 5000, EVERY = 17 };
struct clock { const char *name; clockid_t id; int made[WAYS], soon; };
static struct clock clocks[] = {
	{ "realtime", CLOCK_REALTIME }, { "monotonic", CLOCK_MONOTONIC }, { "boottime", CLOCK_BOOTTIME }, { "tai", CLOCK_TAI },
	{ "realtime_alarm", CLOCK_REALTIME_ALARM }, { "boottime_alarm", CLOCK_BOOTTIME_ALARM },
	{ "process", CLOCK_PROCESS_CPUTIME_ID }, { "thread", CLOCK_THREAD_CPUTIME_ID }, { "named", 0 /* of the worker, by its number */ },
};
enum { CLOCKS = sizeof clocks / sizeof *clocks };
static pthread_barrier_t made, told, looked;
static volatile pid_t worker;
static volatile int done;
static int own, rests, runs;
static volatile int heard[CLOCKS];

static int make(clockid_t clock, int way, int value)
{
	struct sigevent event = { .sigev_notify = way == NONE ? SIGEV_NONE : way == SIGNAL ? SIGEV_SIGNAL : SIGEV_THREAD_ID };
	int id = -1;
	event.sigev_signo = SIGRTMIN + 5;
	event.sigev_value.sival_ptr = (void *)(0x7700000000 + value);
	event.sigev_notify_thread_id = worker;
	return syscall(SYS_timer_create, clock, &event, &id) == 0 ? id : -1;
}
static void set(int id, struct timespec first, struct timespec every)
{
	struct itimerspec spec = { every, first };
	must(syscall(SYS_timer_settime, id, 0, &spec, NULL));
}
static struct itimerspec left(int id)
{
	struct itimerspec spec;
	must(syscall(SYS_timer_gettime, id, &spec));
	return spec;
}
static long long left_ns(int id) { struct itimerspec spec = left(id); return spec.it_value.tv_sec * 1000000000ll + spec.it_value.tv_nsec; }

static void hear(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	int which = (int)((uintptr_t)info->si_value.sival_ptr - 0x7700000000);
	if (info->si_code == SI_TIMER && which >= 0 && which < CLOCKS && info->si_timerid == clocks[which].soon) heard[which]++;
}

static void spend(void) { for (volatile int i = 0; i < 1000000; i++); }

static void *work(void *unused)
{
	worker = gettid();
	own = make(CLOCK_THREAD_CPUTIME_ID, NONE, 0);
	set(own, (struct timespec){ FAR, 0 }, (struct timespec){ EVERY, 0 });
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	long long before = left_ns(own);
	spend();
	runs = before - left_ns(own) > 50000;
	pthread_barrier_wait(&looked);
	while (!done) spend();
	return unused;
}

static int is_far(int id)
{
	struct itimerspec spec = left(id);
	return spec.it_value.tv_sec <= FAR && spec.it_value.tv_sec > FAR - 120 && spec.it_interval.tv_sec == EVERY && spec.it_interval.tv_nsec == 9;
}

int main(void)
{
	pthread_t thread;
	struct sigaction action = { .sa_sigaction = hear, .sa_flags = SA_SIGINFO | SA_RESTART };

	pthread_barrier_init(&made, NULL, 2);
	pthread_barrier_init(&told, NULL, 2);
	pthread_barrier_init(&looked, NULL, 2);
	pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&made);
	must(sigaction(SIGRTMIN + 5, &action, NULL));
	clocks[CLOCKS - 1].id = ~(clockid_t)worker << 3 | 6; /* CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED */
	for (int i = 0; i < CLOCKS; i++) {
		for (int way = NONE; way < WAYS; way++)
			if ((clocks[i].made[way] = make(clocks[i].id, way, -1 - i)) >= 0) set(clocks[i].made[way], (struct timespec){ FAR, 0 }, (struct timespec){ EVERY, 9 });
		if ((clocks[i].soon = make(clocks[i].id, i % 2 ? SIGNAL : TO_THREAD, i)) >= 0) set(clocks[i].soon, (struct timespec){ 0, 400000000 }, (struct timespec){ 0, 3000000 });
	}
	ready();
	wait_until_told();

	/* The worker may be on its way back into its barrier. */
	for (int tries = 0; tries < 1000 && !rests; tries++) {
		long long before = left_ns(own);
		spend();
		rests = left_ns(own) == before;
	}
	pthread_barrier_wait(&told);
	pthread_barrier_wait(&looked);
	prove("owner", rests && runs);
	for (int i = 0; i < CLOCKS; i++) {
		int kept = 1, there = clocks[i].made[NONE] >= 0;
		for (int way = NONE; there && way < WAYS; way++) kept &= is_far(clocks[i].made[way]) && syscall(SYS_timer_getoverrun, clocks[i].made[way]) == 0;
		for (int tries = 0; there && heard[i] < 3 && tries < 3000; tries++) {
			spend();
			if (i < 6) usleep(1000);
		}
		if (there) prove(clocks[i].name, kept && heard[i] >= 3);
		else say("%s: %s", clocks[i].name, "proved"); /* no clock that would wake this machine */
	}
	done = 1;
	pthread_join(thread, NULL);
	restored();
}
