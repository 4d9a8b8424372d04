/* What a process is given by prctl(2), setrlimit(2), sched(7) and the like: each value other than that of its parent. */
#include "program.h"
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static pthread_barrier_t made, told;
static int nice_kept[2], policy_kept[2];
static volatile struct { int ready, told, signal; } *child;
static struct rlimit limits[RLIM_NLIMITS];

static void *work(void *which)
{
	int thread = (intptr_t)which;
	struct sched_param none = { 0 };
	must(sched_setscheduler(0, thread == 0 ? SCHED_BATCH | SCHED_RESET_ON_FORK : SCHED_IDLE, &none));
	must(setpriority(PRIO_PROCESS, 0, 3 + thread));
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	nice_kept[thread] = getpriority(PRIO_PROCESS, 0) == 3 + thread;
	policy_kept[thread] = sched_getscheduler(0) == (thread == 0 ? SCHED_BATCH | SCHED_RESET_ON_FORK : SCHED_IDLE);
	return NULL;
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
	pthread_t threads[2];
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
	pthread_barrier_init(&made, NULL, 3);
	pthread_barrier_init(&told, NULL, 3);
	for (intptr_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_barrier_wait(&made);
	ready();
	wait_until_told();
	pthread_barrier_wait(&told);
	for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);

	int same = 1;
	for (int resource = 0; resource < (int)RLIM_NLIMITS; resource++) {
		must(getrlimit(resource, &now));
		same &= now.rlim_cur == limits[resource].rlim_cur && now.rlim_max == limits[resource].rlim_max;
	}
	prove("limits", same);
	prove("policy", policy_kept[0] && policy_kept[1] && sched_getscheduler(0) == SCHED_OTHER);
	prove("nice", nice_kept[0] && nice_kept[1] && getpriority(PRIO_PROCESS, 0) == 1);
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
	prove("oom", read_number("/proc/self/oom_score_adj", 10) == 321);
	restored();
}
