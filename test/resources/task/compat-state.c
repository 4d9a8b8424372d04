/* A 32-bit program: threads with memory, segments and signals of their own, in calls and in user mode, and a child. */
#include "program.h"
#include <asm/ldt.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/mman.h>

static __thread int own = 7;
static int ends[2];
volatile int spinning __asm__("spinning_"), go __asm__("go_");
uint32_t found[6] __asm__("found_");
static volatile int handled, on_stack, sent_value, sleeper_done, reader_done, thread_own[3];
static float vectors[4] = { 1.5f, -2.25f, 3e10f, 4e-10f }, vectors_found[4];
static volatile long double stack_top;
static pthread_mutex_t robust;
static pthread_barrier_t made;
static char alternate[65536];

/* In user mode, with something in every register that 32-bit code can spare. */
static void *spin(void *unused)
{
	own = 11;
	long double pi = 3.14159265358979323846264338327950288L;
	pthread_barrier_wait(&made);
	asm volatile("fldt %[pi]\n"
		     "movups %[in], %%xmm5\n"
		     "pushl %%ebp\n pushl %%ebx\n"
		     "movl $0x11111111, %%eax\n movl $0x22222222, %%ecx\n movl $0x33333333, %%edx\n movl $0x44444444, %%esi\n movl $0x95555555, %%edi\n"
		     "movl $1, spinning_\n"
		     "1: pause\n cmpl $0, go_\n je 1b\n"
		     "movl %%eax, found_\n movl %%ecx, found_+4\n movl %%edx, found_+8\n movl %%esi, found_+12\n movl %%edi, found_+16\n"
		     "popl %%ebx\n popl %%ebp\n"
		     "movups %%xmm5, %[out]\n"
		     "fstpt %[top]\n"
		     : [out] "=m"(vectors_found), [top] "=m"(stack_top)
		     : [in] "m"(vectors), [pi] "m"(pi)
		     : "eax", "ecx", "edx", "esi", "edi", "memory", "cc", "xmm5");
	thread_own[0] = own;
	return unused;
}

static void *sleep_long(void *unused)
{
	struct timespec time = { 1, 200000000 };
	own = 12;
	pthread_barrier_wait(&made);
	sleeper_done = nanosleep(&time, NULL) == 0 ? 1 : 2;
	thread_own[1] = own;
	return unused;
}

static void *read_pipe(void *unused)
{
	char byte;
	own = 13;
	must(pthread_mutex_lock(&robust) == 0 ? 0 : -1);
	pthread_barrier_wait(&made);
	reader_done = read(ends[0], &byte, 1) == 1 && byte == 'p' ? 1 : 2;
	thread_own[2] = own;
	return unused; /* and keeps the mutex */
}

static void handle(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	char here;
	handled++;
	sent_value = info->si_value.sival_int;
	on_stack = &here >= alternate && &here < alternate + sizeof alternate;
}

static struct user_desc area(int entry)
{
	struct user_desc now = { .entry_number = entry };
	must(syscall(SYS_get_thread_area, &now));
	return now;
}

int main(void)
{
	pthread_t threads[3];
	pthread_mutexattr_t attributes;
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
	sigset_t blocked, none;
	int status;

	_Static_assert(sizeof(void *) == 4, "a 32-bit program");
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_barrier_init(&made, NULL, 4);
	must(pipe(ends));
	must(sigaltstack(&stack, NULL));
	must(sigaction(SIGRTMIN + 3, &action, NULL));
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 4);
	sigaddset(&blocked, SIGUSR2); /* would end the sleep of whoever takes it */
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	pthread_create(&threads[0], NULL, spin, NULL);
	pthread_create(&threads[1], NULL, sleep_long, NULL);
	pthread_create(&threads[2], NULL, read_pipe, NULL);
	pthread_barrier_wait(&made);
	sigdelset(&blocked, SIGRTMIN + 4);
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	while (!spinning) usleep(1000);
	struct user_desc extra = { .entry_number = -1, .base_addr = 0x123000, .limit = 0xff, .seg_32bit = 1, .useable = 1 };
	must(syscall(SYS_set_thread_area, &extra));
	char *data = must(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	strcpy(data + 5000, "data");
	must(sigqueue(getpid(), SIGRTMIN + 4, (union sigval){ .sival_ptr = (void *)0x89abcdef }));
	int told[2], answer[2];
	must(pipe(told));
	must(pipe(answer));
	pid_t child = must(fork());
	if (child == 0) {
		char byte;
		must(read(told[0], &byte, 1));
		byte = strcmp(data + 5000, "data") == 0 && own == 7 ? 'y' : 'n';
		must(write(answer[1], &byte, 1));
		_exit(21);
	}
	void *entry = (void *)getauxval(AT_ENTRY), *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	void *end = sbrk(0);
	struct itimerval timer = { { 0, 0 }, { 3000, 0 } };
	must(setitimer(ITIMER_REAL, &timer, NULL));
	ready();
	wait_until_told();

	go = 1;
	pthread_join(threads[0], NULL);
	prove("registers", found[0] == 0x11111111 && found[1] == 0x22222222 && found[2] == 0x33333333 && found[3] == 0x44444444 && found[4] == 0x95555555);
	prove("vectors", memcmp(vectors, vectors_found, sizeof vectors) == 0 && stack_top == 3.14159265358979323846264338327950288L);
	pthread_join(threads[1], NULL);
	prove("sleep", sleeper_done == 1);
	must(write(ends[1], "p", 1));
	pthread_join(threads[2], NULL);
	prove("read", reader_done == 1);
	prove("storage", own == 7 && thread_own[0] == 11 && thread_own[1] == 12 && thread_own[2] == 13);
	prove("robust", pthread_mutex_lock(&robust) == EOWNERDEAD);
	struct user_desc now = area(extra.entry_number);
	prove("areas", now.base_addr == extra.base_addr && now.limit == extra.limit && now.seg_32bit == 1);
	must(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 4242 }));
	prove("handler", handled == 1 && sent_value == 4242 && on_stack);
	siginfo_t info;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGRTMIN + 4);
	struct timespec no_time = { 0, 0 };
	prove("pending", sigtimedwait(&blocked, &info, &no_time) == SIGRTMIN + 4 && (uintptr_t)info.si_value.sival_ptr == 0x89abcdef);
	sigprocmask(SIG_BLOCK, NULL, &none);
	prove("mask", sigismember(&none, SIGRTMIN + 4) == 1 && sigismember(&none, SIGRTMIN + 3) == 0);
	struct timespec first, second;
	must(clock_gettime(CLOCK_MONOTONIC, &first));
	must(clock_gettime(CLOCK_MONOTONIC, &second));
	prove("vdso", (void *)getauxval(AT_SYSINFO_EHDR) == vdso && memcmp(vdso, "\177ELF\1", 5) == 0 && first.tv_sec <= second.tv_sec);
	prove("vector", (void *)getauxval(AT_ENTRY) == entry && getauxval(AT_PAGESZ) == 4096);
	prove("memory", strcmp(data + 5000, "data") == 0 && sbrk(4096) == end && mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	must(getitimer(ITIMER_REAL, &timer));
	prove("timer", timer.it_value.tv_sec > 2900);
	char byte = 'x';
	must(write(told[1], &byte, 1));
	prove("child", read(answer[0], &byte, 1) == 1 && byte == 'y' && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 21);
	pid_t another = must(fork());
	if (another == 0) _exit(own);
	prove("fork", waitpid(another, &status, 0) == another && WEXITSTATUS(status) == 7);
	restored();
}
