/* Threads that sleep in system calls: each call goes on where it was, and ends with what it would have ended with. */
#include "program.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

enum { LONG_MS = 1200 };
static int ends[2], input[2], counter, epoll, full[2];
static volatile int word = 1, timed_word = 1, bits_word = 1;
static pid_t child, stopped_child;
static volatile pid_t sleeper;

static long long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}
static struct timespec in_ms(long ms) { return (struct timespec){ ms / 1000, ms % 1000 * 1000000 }; }

static int read_pipe(void) { char c; return read(ends[0], &c, 1) == 1 && c == 'r'; }
static int write_pipe(void) { return write(full[1], "0123456789", 10) == 10; }
static int read_eventfd(void) { uint64_t value; return read(counter, &value, 8) == 8 && value == 3; }
static int read_timerfd(void)
{
	struct itimerspec spec = { .it_value = in_ms(LONG_MS) };
	uint64_t ticks;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	timerfd_settime(timer, 0, &spec, NULL);
	return read(timer, &ticks, 8) == 8 && ticks == 1;
}
static int sleep_relative(void)
{
	struct timespec length = in_ms(LONG_MS);
	return nanosleep(&length, &length) == 0;
}
static int sleep_absolute(void)
{
	long long end = now_ms() + LONG_MS;
	struct timespec date = in_ms(end);
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &date, NULL) == 0 && now_ms() >= end && now_ms() < end + 10000;
}
static int poll_input(void) { struct pollfd one = { input[0], POLLIN, 0 }; return poll(&one, 1, -1) == 1 && one.revents == POLLIN; }
static int poll_timeout(void) { struct pollfd one = { full[0], POLLPRI, 0 }; return poll(&one, 1, LONG_MS) == 0; }
static int ppoll_timeout(void) { struct pollfd one = { full[0], POLLPRI, 0 }; struct timespec limit = in_ms(LONG_MS); return ppoll(&one, 1, &limit, NULL) == 0; }
static int select_timeout(void) { struct timeval limit = { LONG_MS / 1000, LONG_MS % 1000 * 1000 }; return select(0, NULL, NULL, NULL, &limit) == 0; }
static int select_input(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(input[0], &set);
	return select(input[0] + 1, &set, NULL, NULL, NULL) == 1 && FD_ISSET(input[0], &set);
}
static int wait_epoll(void) { struct epoll_event event; return epoll_wait(epoll, &event, 1, -1) == 1 && event.data.u32 == 5; }
static int epoll_timeout(void) { struct epoll_event event; int empty = epoll_create1(EPOLL_CLOEXEC); return epoll_wait(empty, &event, 1, LONG_MS) == 0; }
static int wait_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL) == 0 || errno == EAGAIN; }
static int futex_timeout(void) { struct timespec limit = in_ms(LONG_MS); return syscall(SYS_futex, &timed_word, FUTEX_WAIT, 1, &limit) == -1 && errno == ETIMEDOUT; }
static int futex_bitset(void) { struct timespec date = in_ms(now_ms() + LONG_MS); return syscall(SYS_futex, &bits_word, FUTEX_WAIT_BITSET, 1, &date, NULL, FUTEX_BITSET_MATCH_ANY) == -1 && errno == ETIMEDOUT; }
static int wait_child(void) { int status; return wait4(child, &status, 0, NULL) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM; }
static int wait_id(void) { siginfo_t info; return waitid(P_PID, stopped_child, &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED && info.si_status == SIGSTOP; }

static volatile int handled;
static void note(int signal) { handled = signal; }
static int suspend(void)
{
	sigset_t set;
	sigfillset(&set);
	sigdelset(&set, SIGUSR1);
	sleeper = gettid();
	return sigsuspend(&set) == -1 && errno == EINTR && handled == SIGUSR1;
}
static int wait_signal(void)
{
	sigset_t set;
	siginfo_t info;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	return sigwaitinfo(&set, &info) == SIGRTMIN + 2 && info.si_value.sival_int == 12;
}
static int signal_timeout(void)
{
	sigset_t set;
	struct timespec limit = in_ms(LONG_MS);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	return sigtimedwait(&set, NULL, &limit) == -1 && errno == EAGAIN;
}

#define CALL(name) { #name, name, 0, 0 }
static struct { const char *name; int (*run)(void); int result; long long took; } calls[] = {
	CALL(read_pipe), CALL(write_pipe), CALL(read_eventfd), CALL(read_timerfd), CALL(sleep_relative), CALL(sleep_absolute),
	CALL(poll_input), CALL(poll_timeout), CALL(ppoll_timeout), CALL(select_timeout), CALL(select_input), CALL(wait_epoll), CALL(epoll_timeout),
	CALL(wait_futex), CALL(futex_timeout), CALL(futex_bitset), CALL(wait_child), CALL(wait_id), CALL(suspend), CALL(wait_signal), CALL(signal_timeout),
};
enum { CALLS = sizeof calls / sizeof calls[0] };
static pid_t tids[CALLS];

static void *make_call(void *which)
{
	int i = (intptr_t)which;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	tids[i] = gettid();
	long long start = now_ms();
	calls[i].result = calls[i].run();
	calls[i].took = now_ms() - start;
	return NULL;
}

/* S: it sleeps in its call, or has ended. */
static int sleeps(pid_t tid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int file = open(path, O_RDONLY);
	if (file < 0) return 1; /* so slow is the machine that the call is over */
	int length = read(file, text, sizeof text - 1);
	close(file);
	return length < 0 || strstr(text, ") S ") != NULL;
}

int main(void)
{
	pthread_t threads[CALLS];
	char bytes[65536] = "";

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR1, note);
	must(pipe(ends));
	must(pipe(input));
	must(pipe(full));
	must(write(full[1], bytes, sizeof bytes));
	counter = must(eventfd(0, 0));
	epoll = must(epoll_create1(0));
	struct epoll_event event = { EPOLLIN, { .u32 = 5 } };
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, input[0], &event));
	if ((child = must(fork())) == 0) for (;;) pause();
	if ((stopped_child = must(fork())) == 0) for (;;) pause();
	for (intptr_t i = 0; i < CALLS; i++) pthread_create(&threads[i], NULL, make_call, (void *)i);
	for (int i = 0; i < CALLS; i++)
		while (tids[i] == 0 || !sleeps(tids[i])) usleep(1000);
	ready();
	wait_until_told();

	must(write(ends[1], "r", 1));
	must(read(full[0], bytes, sizeof bytes));
	uint64_t three = 3;
	must(write(counter, &three, 8));
	must(write(input[1], "x", 1));
	word = 2;
	syscall(SYS_futex, &word, FUTEX_WAKE, 1);
	must(kill(child, SIGTERM));
	must(kill(stopped_child, SIGSTOP));
	must(syscall(SYS_tgkill, getpid(), sleeper, SIGUSR1));
	must(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){ .sival_int = 12 }));
	for (int i = 0; i < CALLS; i++) {
		pthread_join(threads[i], NULL);
		int in_time = strstr(calls[i].name, "timeout") == NULL || calls[i].took >= LONG_MS;
		prove(calls[i].name, calls[i].result && in_time);
	}
	kill(stopped_child, SIGKILL);
	restored();
}
