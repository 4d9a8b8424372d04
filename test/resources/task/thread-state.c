/* What the kernel keeps of each thread for its C library: names, robust futexes, restartable sequences, signal stacks, the word cleared at exit. */
#include "program.h"
#define SS_AUTODISARM (1U << 31) /* linux/signal.h, which does not go with signal.h */
#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

static pthread_mutex_t robust;
static pthread_barrier_t made, told;
static char stack[2][16384], handler_stack_of_leader[16384];
static volatile int on_stack[3], in_handler;
static __thread int number;
static struct { char name[16]; stack_t stack; void *robust; } seen[2];
static pid_t tids[2];

static void note_stack(int signal)
{
	(void)signal;
	char here;
	char *base = number == 0 ? handler_stack_of_leader : stack[number - 1];
	on_stack[number] = &here >= base && &here < base + 16384;
}

static void stay(int signal)
{
	note_stack(signal);
	if (in_handler++ == 0) {
		say("ready");
		while (in_handler < 2) usleep(1000);
	}
}

static void *work(void *which)
{
	char name[16];
	stack_t alternate = { .ss_sp = stack[(intptr_t)which], .ss_size = 16384, .ss_flags = which ? (int)SS_AUTODISARM : 0 };
	size_t length;

	number = (intptr_t)which + 1;
	tids[number - 1] = gettid();
	snprintf(name, sizeof name, "worker \\%d\n)", number);
	must(prctl(PR_SET_NAME, name));
	must(sigaltstack(&alternate, NULL));
	if (number == 1) pthread_mutex_lock(&robust);
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	must(prctl(PR_GET_NAME, seen[number - 1].name));
	must(sigaltstack(NULL, &seen[number - 1].stack));
	must(syscall(SYS_get_robust_list, 0, &seen[number - 1].robust, &length));
	must(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
	return NULL; /* the first one with the mutex held */
}

/* A restartable sequence that never ends by itself: it is left when the kernel aborts it and `leave_sequence` is set. */
static volatile int in_sequence, leave_sequence, sequence_left;
static void *sequence(void *unused)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	static struct rseq_cs section __attribute__((aligned(32)));
	void *start, *end, *abort;

	asm volatile("lea 1f(%%rip), %0\n lea 2f(%%rip), %1\n lea 3f(%%rip), %2\n" : "=r"(start), "=r"(end), "=r"(abort));
	section.start_ip = (uintptr_t)start;
	section.post_commit_offset = (char *)end - (char *)start;
	section.abort_ip = (uintptr_t)abort;
	asm volatile("4: mov %[section], %[pointer]\n"
		     "1: movl $1, %[in]\n"
		     "5: pause\n jmp 5b\n"
		     "2: ud2\n"
		     ".long 0x53053053\n"
		     "3: cmpl $0, %[leave]\n je 4b\n"
		     : [pointer] "=m"(area->rseq_cs), [in] "=m"(in_sequence)
		     : [section] "r"(&section), [leave] "m"(leave_sequence)
		     : "memory", "cc");
	sequence_left = 1;
	return unused;
}

static int rseq_is_kept_current(void)
{
	struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	cpu_set_t all, one;
	int equal = 1;
	must(sched_getaffinity(0, sizeof all, &all));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all)) continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		must(sched_setaffinity(0, sizeof one, &one));
		equal &= *(volatile uint32_t *)&area->cpu_id == (uint32_t)cpu;
	}
	must(sched_setaffinity(0, sizeof all, &all));
	return equal;
}

int main(void)
{
	pthread_t threads[2], sequencer;
	pthread_mutexattr_t attributes;
	stack_t alternate = { .ss_sp = handler_stack_of_leader, .ss_size = 16384 };
	struct sigaction action = { .sa_handler = note_stack, .sa_flags = SA_ONSTACK };

	must(sigaction(SIGUSR1, &action, NULL));
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_barrier_init(&made, NULL, 3);
	pthread_barrier_init(&told, NULL, 3);
	for (intptr_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_create(&sequencer, NULL, sequence, NULL);
	must(prctl(PR_SET_NAME, "the leader"));
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	must(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
	pthread_barrier_wait(&made);
	while (!in_sequence) usleep(1000);
	/* The leader is dumped inside a handler, on its alternate stack. */
	must(sigaltstack(&alternate, NULL));
	action.sa_handler = stay;
	action.sa_flags |= SA_NODEFER;
	must(sigaction(SIGUSR2, &action, NULL));
	must(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
	stack_t now;
	must(sigaltstack(NULL, &now));
	prove("handler", on_stack[0] && now.ss_sp == alternate.ss_sp && now.ss_size == 16384 && now.ss_flags == 0);

	action.sa_handler = note_stack;
	must(sigaction(SIGUSR1, &action, NULL));
	pthread_barrier_wait(&told);
	for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
	say("join: proved");
	char name[16];
	must(prctl(PR_GET_NAME, name));
	prove("names", !strcmp(name, "the leader") && !strcmp(seen[0].name, "worker \\1\n)") && !strcmp(seen[1].name, "worker \\2\n)"));
	prove("stacks", seen[0].stack.ss_sp == stack[0] && seen[1].stack.ss_sp == stack[1] && seen[0].stack.ss_flags == 0 && seen[1].stack.ss_flags == (int)SS_AUTODISARM && seen[0].stack.ss_size == 16384);
	prove("onstack", on_stack[1] && on_stack[2]);
	prove("robust", seen[0].robust != NULL && seen[0].robust != seen[1].robust && pthread_mutex_lock(&robust) == EOWNERDEAD);
	prove("rseq", rseq_is_kept_current());
	leave_sequence = 1;
	pthread_join(sequencer, NULL);
	prove("sequence", sequence_left);
	prove("membarrier", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0);
	restored();
}
