/* Threads in system calls with a relative time-out, which the kernel goes on with by restart_syscall(2) after a stop: each says
   what its call returned, and how late it was. */
#include "program.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#define SECONDS 3
static const struct timespec timeout = { .tv_sec = SECONDS };

static long long now_ms(void)
{
	struct timespec now;
	must(clock_gettime(CLOCK_BOOTTIME, &now));
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void told(const char *call, long long began, long result)
{
	say("%s %s at %lld", call, result == -1 ? strerror(errno) : "done", now_ms() - began);
}

static void *sleeping(void *nothing)
{
	long long began = now_ms();
	told("nanosleep", began, syscall(SYS_nanosleep, &timeout, NULL));
	return nothing;
}
static void *sleeping_with_rest(void *nothing)
{
	struct timespec rest = { 0 };
	long long began = now_ms();
	told("clock_nanosleep", began, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &timeout, &rest));
	return nothing;
}
/* clock_nanosleep(2) that asks for no rest. */
static void *sleeping_long(void *nothing)
{
	long long began = now_ms();
	told("silent_nanosleep", began, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &timeout, NULL));
	return nothing;
}
static void *polling(void *nothing)
{
	long long began = now_ms();
	told("poll", began, syscall(SYS_poll, NULL, 0, SECONDS * 1000));
	return nothing;
}
static void *waiting(void *nothing)
{
	static int word;
	long long began = now_ms();
	told("futex", began, syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0));
	return nothing;
}

int main(void)
{
	void *(*const threads[])(void *) = { sleeping, sleeping_with_rest, polling, waiting, sleeping_long };
	pthread_t thread[5];
	sigset_t told_by;
	sigemptyset(&told_by);
	sigaddset(&told_by, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &told_by, NULL); /* it would end the call of whoever takes it */
	for (int i = 0; i < 5; i++) must(-pthread_create(&thread[i], NULL, threads[i], NULL));
	pthread_sigmask(SIG_UNBLOCK, &told_by, NULL);
	ready();
	for (int i = 0; i < 5; i++) pthread_join(thread[i], NULL);
	wait_until_told();
	restored();
}
