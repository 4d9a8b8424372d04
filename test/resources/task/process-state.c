/* What a process is given by prctl(2), setrlimit(2), sched(7) and the like: each value other than that of its parent. */
#include "program.h"
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static pthread_barrier_t made, told;
static int nice_kept[2], policy_kept[2], processors_kept[2], io_kept[2], slack_kept[2];
static struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } wanted = { 48, 6 /* SCHED_DEADLINE */, 0, 0, 0, 1000000, 150000000, 200000000 }, got;
static volatile struct { int ready, told, signal; } *child;
static struct rlimit limits[RLIM_NLIMITS];

static int processor, processors; /* one of them, and how many there are */

static void *work(void *which)
{
	int thread = (intptr_t)which;
	struct sched_param none = { 0 };
	must(sched_setscheduler(0, thread == 0 ? SCHED_BATCH | SCHED_RESET_ON_FORK : SCHED_IDLE, &none));
	must(setpriority(PRIO_PROCESS, 0, 3 + thread));
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	if (thread == 0) must(sched_setaffinity(0, sizeof one, &one));
	must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | thread));
	must(prctl(PR_SET_TIMERSLACK, 123456ul + thread));
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	nice_kept[thread] = getpriority(PRIO_PROCESS, 0) == 3 + thread;
	must(sched_getaffinity(0, sizeof one, &one));
	processors_kept[thread] = thread == 0 ? CPU_COUNT(&one) == 1 && CPU_ISSET(processor, &one) : CPU_COUNT(&one) == processors;
	io_kept[thread] = syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | thread);
	slack_kept[thread] = prctl(PR_GET_TIMERSLACK) == 123456 + thread;
	policy_kept[thread] = sched_getscheduler(0) == (thread == 0 ? SCHED_BATCH | SCHED_RESET_ON_FORK : SCHED_IDLE);
	return NULL;
}

static void *sparse(void *unused)
{
	must(syscall(SYS_sched_setattr, 0, &wanted, 0));
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	must(syscall(SYS_sched_getattr, 0, &got, sizeof got, 0));
	return unused;
}

/* Not of the first process: its parent, the engine, ends. */
static void set_death_signal(void)
{
	int signal;
	must(prctl(PR_SET_PDEATHSIG, SIGRTMIN + 2));
	child->ready = 1;
	while (!child->told) usleep(1000);
	must(prctl(PR_GET_PDEATHSIG, &signal));
	child->signal = signal;
	for (;;) pause();
}

static int read_number(const char *path, int base)
{
	char text[64] = "";
	int file = open(path, O_RDONLY);
	if (file < 0 || read(file, text, sizeof text - 1) < 0) return -1;
	close(file);
	return strtol(text, NULL, base);
}

static void write_number(const char *path, const char *text)
{
	int file = must(open(path, O_WRONLY));
	must(write(file, text, strlen(text)));
	close(file);
}

int main(void)
{
	pthread_t threads[3];
	cpu_set_t all;
	struct rlimit now;
	int flag, status;

	child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t intermediate = must(fork());
	if (intermediate == 0) {
		if (must(fork()) == 0) set_death_signal();
		for (;;) pause();
	}
	while (!child->ready) usleep(1000);
	/* Below the hard limit, and the hard limit below that of our parent. */
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++) {
		must(getrlimit(resource, &limits[resource]));
		if (resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_NPROC || resource == RLIMIT_CPU) continue;
		if (limits[resource].rlim_max == RLIM_INFINITY) limits[resource].rlim_max = (1ull << 40) + resource;
		limits[resource].rlim_cur = limits[resource].rlim_max > 500 ? limits[resource].rlim_max - 100 : limits[resource].rlim_max;
		must(setrlimit(resource, &limits[resource]));
	}
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	must(prctl(PR_SET_DUMPABLE, 0));
	must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	must(personality(ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS));
	must(setpriority(PRIO_PROCESS, 0, 1));
	must(prctl(PR_SET_DUMPABLE, 1));
	write_number("/proc/self/oom_score_adj", "321");
	must(prctl(PR_SET_DUMPABLE, 0));
	must(prctl(PR_SET_DUMPABLE, 1));
	write_number("/proc/self/coredump_filter", "0x55");
	write_number("/proc/self/autogroup", "5");
	must(prctl(PR_SET_DUMPABLE, 0));
	must(sched_getaffinity(0, sizeof all, &all));
	processors = CPU_COUNT(&all);
	while (!CPU_ISSET(processor, &all)) processor++;
	pthread_barrier_init(&made, NULL, 4);
	pthread_barrier_init(&told, NULL, 4);
	for (intptr_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_create(&threads[2], NULL, sparse, NULL);
	pthread_barrier_wait(&made);
	ready();
	wait_until_told();
	pthread_barrier_wait(&told);
	for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);

	int same = 1;
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++) {
		must(getrlimit(resource, &now));
		same &= now.rlim_cur == limits[resource].rlim_cur && now.rlim_max == limits[resource].rlim_max;
	}
	prove("limits", same);
	prove("policy", policy_kept[0] && policy_kept[1] && sched_getscheduler(0) == SCHED_OTHER);
	prove("nice", nice_kept[0] && nice_kept[1] && getpriority(PRIO_PROCESS, 0) == 1);
	prove("processors", processors_kept[0] && processors_kept[1]);
	prove("io", io_kept[0] && io_kept[1]);
	prove("slack", slack_kept[0] && slack_kept[1] && prctl(PR_GET_TIMERSLACK) == 50000);
	prove("deadline", got.policy == wanted.policy && got.runtime == wanted.runtime && got.deadline == wanted.deadline && got.period == wanted.period);
	child->told = 1;
	while (child->signal == 0) usleep(1000);
	must(kill(intermediate, SIGKILL));
	must(waitpid(intermediate, &status, 0));
	/* We are the subreaper of its child. */
	prove("death", child->signal == SIGRTMIN + 2 && wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGRTMIN + 2);
	prove("subreaper", prctl(PR_GET_CHILD_SUBREAPER, &flag) == 0 && flag == 1);
	prove("dumpable", prctl(PR_GET_DUMPABLE) == 0);
	prove("thp", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
	prove("personality", personality(0xffffffff) == (ADDR_NO_RANDOMIZE | STICKY_TIMEOUTS));
	must(prctl(PR_SET_DUMPABLE, 1));
	prove("core", read_number("/proc/self/coredump_filter", 16) == 0x55);
	char group[64] = "";
	int file = must(open("/proc/self/autogroup", O_RDONLY));
	prove("group", read(file, group, sizeof group - 1) > 0 && strstr(group, " nice 5\n"));
	prove("oom", read_number("/proc/self/oom_score_adj", 10) == 321);
	restored();
}
