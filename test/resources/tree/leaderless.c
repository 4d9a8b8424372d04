/* A process whose first thread has ended while two others work on: with files, a handler, a timer, a child with a death signal, and users of their own. */
#include "program.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int to_child[2], from_child[2];
static pthread_barrier_t both;
static volatile int other_uid, handled;
static timer_t timer;
static pid_t child;

static void on_signal(int signal) { (void)signal; handled++; }

static void *other(void *unused)
{
	must(syscall(SYS_setresuid, -1, 4000, -1)); /* of this thread alone */
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both);
	other_uid = geteuid();
	return unused;
}

static char first_state(void)
{
	char path[64], line[128], state = '?';
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
	int file = must(open(path, O_RDONLY));
	if (read(file, line, sizeof line) > 0) state = strchr(line, ')')[2];
	close(file);
	return state;
}

static void *second(void *file)
{
	struct itimerspec left;
	sigset_t usual;
	char byte = 0;
	pthread_t third;

	child = must(fork());
	if (child == 0) {
		char byte;
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
		while (read(to_child[0], &byte, 1) != 1);
		must(write(from_child[1], &byte, 1));
		_exit(0);
	}
	pthread_create(&third, NULL, other, NULL);
	pthread_barrier_wait(&both);
	while (first_state() != 'Z') usleep(1000);
	ready();
	wait_until_told();
	pthread_barrier_wait(&both);
	pthread_join(third, NULL);
	prove_equal("first", first_state(), 'Z');
	prove("threads", gettid() != getpid() && other_uid == 4000 && geteuid() == 0);
	prove("file", pread(*(int *)file, &byte, 1, 2) == 1 && byte == 'c');
	must(timer_gettime(timer, &left));
	prove("timer", left.it_value.tv_sec > 900 && left.it_interval.tv_sec == 17);
	prove("pending", sigpending(&usual) == 0 && sigismember(&usual, SIGRTMIN + 3) == 1);
	sigemptyset(&usual);
	must(pthread_sigmask(SIG_SETMASK, &usual, NULL));
	prove_equal("handler", handled, 1);
	must(write(to_child[1], "x", 1));
	prove("child", read(from_child[0], &byte, 1) == 1 && byte == 'x' && waitpid(child, NULL, 0) == child);
	say("restored");
	return NULL; /* the last thread: the process ends with what the first one said */
}

int main(void)
{
	static int file;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	struct itimerspec far = { { 17, 0 }, { 1000, 0 } };
	pthread_t thread;
	sigset_t blocked;

	pthread_barrier_init(&both, NULL, 2);
	must(pipe(to_child));
	must(pipe(from_child));
	file = must(open("letters", O_RDWR | O_CREAT, 0600));
	must(write(file, "abc", 3));
	must(prctl(PR_SET_NAME, "first of three"));
	signal(SIGRTMIN + 3, on_signal);
	must(timer_create(CLOCK_MONOTONIC, &none, &timer));
	must(timer_settime(timer, 0, &far, NULL));
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 3);
	must(sigprocmask(SIG_BLOCK, &blocked, NULL));
	pthread_create(&thread, NULL, second, &file);
	must(kill(getpid(), SIGRTMIN + 3));
	syscall(SYS_exit, 42);
}
