/* Every signal with a payload, pending for a process and for a thread of it. What stops and what continues throw each other out of the queues, so
   a child has the one and its parent the other. */
#include "program.h"
#include <pthread.h>
#include <sys/syscall.h>

enum { TIMES = 3 };
static pthread_barrier_t filled, told;
static volatile pid_t worker;
static int thread_has_them;
static volatile int *child_says;
static int is_child;

/* The C library keeps 32 and 33 for itself, the dump's tracer needs SIGTRAP, SIGUSR2 is the test's: signal-state.c and others have these. */
static int is_of_ours(int signal)
{
	if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33 || signal == SIGUSR2 || signal == SIGTRAP) return 0;
	return is_child ? signal == SIGCONT || signal == SIGRTMIN + 1 : signal != SIGCONT;
}
/* Real-time ones queue up, the others are there once. */
static int times(int signal) { return signal >= SIGRTMIN ? TIMES : 1; }
static uintptr_t payload(int signal, int time, int of_thread) { return 0x5a00000000000000ull | (uintptr_t)of_thread << 40 | (uintptr_t)time << 20 | signal; }

static void queue(int signal, int time, int of_thread)
{
	siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_uid = 4711;
	info.si_value.sival_ptr = (void *)payload(signal, time, of_thread);
	if (of_thread) must(syscall(SYS_rt_tgsigqueueinfo, getpid(), worker, signal, &info));
	else must(syscall(SYS_rt_sigqueueinfo, getpid(), signal, &info));
}

/* A thread takes its own before those of the process. */
static int takes(int signal, int of_thread)
{
	for (int time = 0; time < times(signal); time++) {
		struct timespec none = { 0, 0 };
		sigset_t set;
		siginfo_t info;
		sigemptyset(&set);
		sigaddset(&set, signal);
		if (sigtimedwait(&set, &info, &none) != signal) return 0;
		if (info.si_code != SI_QUEUE || info.si_pid != getpid() || info.si_uid != 4711) return 0;
		if (info.si_value.sival_ptr != (void *)payload(signal, time, of_thread)) return 0;
	}
	return 1;
}

static int takes_all(int of_thread)
{
	int all = 1;
	for (int signal = 64; signal >= 1; signal--)
		if (is_of_ours(signal)) all &= takes(signal, of_thread);
	return all;
}

static void *work(void *unused)
{
	worker = gettid();
	pthread_barrier_wait(&filled);
	pthread_barrier_wait(&told);
	thread_has_them = takes_all(1);
	return unused;
}

static void fill(void)
{
	pthread_t thread;
	pthread_barrier_init(&filled, NULL, 2);
	pthread_barrier_init(&told, NULL, 2);
	pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&filled);
	for (int time = 0; time < TIMES; time++)
		for (int signal = 1; signal <= 64; signal++)
			if (is_of_ours(signal) && time < times(signal)) {
				queue(signal, time, 1);
				queue(signal, time, 0);
			}
}
static int has_all(void)
{
	sigset_t pending;
	pthread_barrier_wait(&told);
	while (thread_has_them == 0 && worker != 0 && syscall(SYS_tgkill, getpid(), worker, 0) == 0) usleep(1000);
	return thread_has_them && takes_all(0) && sigpending(&pending) == 0 && sigisemptyset(&pending);
}

int main(void)
{
	sigset_t blocked;
	sigfillset(&blocked);
	sigdelset(&blocked, SIGUSR2);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	child_says = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = must(fork());
	if (child == 0) {
		is_child = 1;
		fill();
		*child_says = 1;
		while (*child_says != 2) usleep(1000);
		*child_says = has_all() ? 3 : 4;
		for (;;) pause();
	}
	while (*child_says != 1) usleep(1000);
	fill();
	ready();
	wait_until_told();
	prove("all", has_all());
	*child_says = 2;
	while (*child_says == 2) usleep(1000);
	prove("continue", *child_says == 3);
	kill(child, SIGKILL);
	restored();
}
