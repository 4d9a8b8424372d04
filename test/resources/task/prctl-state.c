/* What prctl(2) and arch_prctl(2) say of memory and threads beside the better known: each in one of two threads. */
#include "program.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
enum { PAGE = 4096 };
static pthread_barrier_t made, told;
static __thread sigjmp_buf back;
/* Not every machine can have these instructions fault: a guest may not. */
static int has_cpuid_faults, has_counter_faults;

static void come_back(int signal) { (void)signal; siglongjmp(back, 1); }
static int reading_the_counter_faults(void)
{
	if (sigsetjmp(back, 1) != 0) return 1;
	__rdtsc();
	return 0;
}
static int cpuid_faults(void)
{
	unsigned a, b, c, d;
	if (sigsetjmp(back, 1) != 0) return 1;
	__cpuid(0, a, b, c, d);
	return 0;
}
static int counter_setting(void)
{
	int setting;
	must(prctl(PR_GET_TSC, &setting));
	return setting;
}
static int policy(void) { return must(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0)); }

static int thread_kept;
static void *work(void *unused)
{
	must(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	has_counter_faults = reading_the_counter_faults();
	must(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	has_cpuid_faults = syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0;
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	thread_kept = (counter_setting() == PR_TSC_SIGSEGV && reading_the_counter_faults() == has_counter_faults ? 1 : 0) | (policy() == PR_MCE_KILL_EARLY ? 2 : 0) | (cpuid_faults() == has_cpuid_faults ? 4 : 0);
	return unused;
}

/* Of a page that is written and then to be run. */
static int may_gain_exec(void)
{
	void *page = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	return mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0 || errno != EACCES;
}

static int merges_new_memory(void)
{
	char line[512];
	void *page = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	FILE *maps = fopen("/proc/self/smaps", "r");
	int here = 0, merges = 0;
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) here = start <= (uintptr_t)page && (uintptr_t)page < end;
		if (here && strncmp(line, "VmFlags:", 8) == 0) merges = strstr(line, " mg") != NULL;
	}
	fclose(maps);
	return merges;
}

int main(int count, char **words)
{
	pthread_t thread;
	int inheritable = count > 1 ? 3 : 1 /* PR_MDWE_REFUSE_EXEC_GAIN alone, or with PR_MDWE_NO_INHERIT */;

	struct sigaction action = { .sa_handler = come_back, .sa_flags = SA_NODEFER };
	must(sigaction(SIGSEGV, &action, NULL));
	pthread_barrier_init(&made, NULL, 2);
	pthread_barrier_init(&told, NULL, 2);
	pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&made);
	must(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0));
	must(prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	must(prctl(PR_SET_MDWE, inheritable, 0, 0, 0));
	(void)words;
	ready();
	wait_until_told();
	pthread_barrier_wait(&told);
	pthread_join(thread, NULL);
	prove("counter", thread_kept & 1 && counter_setting() == PR_TSC_ENABLE && !reading_the_counter_faults());
	prove("broken", thread_kept & 2 && policy() == PR_MCE_KILL_LATE);
	prove("processor", thread_kept & 4 && !cpuid_faults());
	prove("merge", prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) == 1 && merges_new_memory());
	prove("execute", prctl(PR_GET_MDWE, 0, 0, 0, 0) == inheritable && !may_gain_exec());
	restored();
}
