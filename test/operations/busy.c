/* Threads and a child that work without a pause and check what they do. Each counts its rounds in the file `beats`; whoever finds something
 * wrong says so and ends the program. */
#include "program.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

enum { ARITHMETIC, MEMORY, PING, PONG, SLEEP, SIGNALS, LOCK_A, LOCK_B, STACK, CHILD, WORKERS };
static volatile uint64_t *beats;
static int to_pong[2], to_ping[2], to_child[2], from_child[2];
static volatile int stop;

static void beat(int worker) { beats[worker]++; }
static void check_mask(uint64_t wanted)
{
	uint64_t mask;
	must(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8));
	expect(mask == wanted);
}

static void arithmetic(void)
{
	double x = 0.5, y = 0.25;
	uint64_t sum = 0;
	for (int i = 1; i <= 20000; i++) {
		x = x * 1.0000001 + 1.0 / i;
		y = y * 0.9999999 + x;
		sum = sum * 6364136223846793005u + i;
	}
	static double first_x, first_y;
	static uint64_t first_sum;
	if (first_x == 0) first_x = x, first_y = y, first_sum = sum;
	expect(x == first_x && y == first_y && sum == first_sum);
}

static void memory(void)
{
	static uint32_t words[1 << 14], seed;
	for (int i = 0; i < 1 << 14; i++) words[i] = seed + i;
	char *fresh = must(mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memcpy(fresh, words, 1 << 16);
	for (int i = 0; i < 1 << 14; i++) expect(words[i] == seed + i);
	expect(memcmp(fresh, words, 1 << 16) == 0);
	must(munmap(fresh, 1 << 16));
	seed += 12345;
}

static void pass_on(int from, int to, int first)
{
	static __thread uint32_t last;
	uint32_t number = 0;
	if (first && last == 0) expect(write(to, &number, sizeof number) == sizeof number);
	expect(read(from, &number, sizeof number) == sizeof number);
	expect(number == last);
	last++;
	number = first ? last : number;
	expect(write(to, &number, sizeof number) == sizeof number);
}

static void sleep_a_little(void)
{
	static int set = -1;
	struct timespec length = { 0, 1000000 };
	struct pollfd none = { -1, 0, 0 };
	struct epoll_event event;
	if (set < 0) set = must(epoll_create1(EPOLL_CLOEXEC));
	expect(nanosleep(&length, NULL) == 0);
	expect(poll(&none, 1, 1) == 0);
	int count = epoll_wait(set, &event, 1, 1);
	expect(count == 0 || (count == -1 && errno == EINTR)); /* any stop does that */
}

static volatile uint64_t alarms;
static char signal_stack[32768];
static void on_alarm(int signal, siginfo_t *info, void *context)
{
	char here;
	(void)context;
	expect(&here >= signal_stack && &here < signal_stack + sizeof signal_stack);
	expect(signal == SIGRTMIN + 1 && info->si_value.sival_int == 4711);
	alarms++;
}
static void signals(void)
{
	static timer_t timer;
	uint64_t before = alarms;
	if (timer == NULL) {
		stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
		struct sigaction action = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
		struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 4711, ._sigev_un._tid = gettid() };
		struct itimerspec every = { { 0, 2000000 }, { 0, 2000000 } };
		must(sigaltstack(&stack, NULL));
		must(sigaction(SIGRTMIN + 1, &action, NULL));
		must(timer_create(CLOCK_MONOTONIC, &event, &timer));
		must(timer_settime(timer, 0, &every, NULL));
	}
	while (alarms < before + 2) check_mask(0);
	stack_t stack;
	must(sigaltstack(NULL, &stack));
	expect(stack.ss_sp == signal_stack && stack.ss_size == sizeof signal_stack && stack.ss_flags == 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t inside, a, b;
static void lock(void)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		expect(inside++ == 0 && a == b);
		a++;
		b++;
		expect(--inside == 0);
		pthread_mutex_unlock(&mutex);
	}
}

static int use_stack(int depth)
{
	volatile int here[256];
	for (int i = 0; i < 256; i++) here[i] = depth * i;
	int below = depth == 0 ? 0 : use_stack(depth - 1);
	for (int i = 0; i < 256; i++) expect(here[i] == depth * i);
	return below + here[255];
}

static void *work(void *which)
{
	int worker = (intptr_t)which;
	while (!stop) {
		switch (worker) {
		case ARITHMETIC: arithmetic(); break;
		case MEMORY: memory(); break;
		case PING: pass_on(to_ping[0], to_pong[1], 1); break;
		case PONG: pass_on(to_pong[0], to_ping[1], 0); break;
		case SLEEP: sleep_a_little(); break;
		case SIGNALS: signals(); break;
		case LOCK_A:
		case LOCK_B: lock(); break;
		case STACK: expect(use_stack(60) == 255 * 60 * 61 / 2); break;
		case CHILD: pass_on(from_child[0], to_child[1], 1); break;
		}
		beat(worker);
		if (worker != SIGNALS) check_mask(0);
		if (worker == PING && beats[PING] % 16 != 0) continue;
		if (worker == PING || worker == ARITHMETIC || worker == LOCK_A || worker == LOCK_B || worker == STACK || worker == MEMORY) usleep(2000); /* two processors are few */
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[WORKERS];
	int file = must(open("beats", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	must(ftruncate(file, 4096));
	beats = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	must(pipe(to_pong));
	must(pipe(to_ping));
	must(pipe(to_child));
	must(pipe(from_child));
	pid_t child = must(fork());
	if (child == 0)
		for (;;) {
			pass_on(to_child[0], from_child[1], 0);
			beat(WORKERS);
			usleep(2000);
		}
	for (intptr_t i = 0; i < WORKERS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i <= WORKERS; i++)
		while (beats[i] < 3) usleep(1000);
	ready();
	wait_until_told();
	must(kill(child, SIGKILL));
	restored();
}
