/* Calls every function of its vdso, by the addresses that it looked up at its start. */
#include "program.h"
#include <dlfcn.h>
#include <sys/prctl.h>
#include <sys/time.h>

static int (*get_time)(clockid_t, struct timespec *);
static int (*get_resolution)(clockid_t, struct timespec *);
static int (*get_cpu)(unsigned *, unsigned *, void *);
static int (*get_day)(struct timeval *, void *);
static time_t (*get_seconds)(time_t *);
static ssize_t (*get_random)(void *, size_t, unsigned, void *, size_t);

static volatile int system_calls;
static volatile char selector;
static void count_call(int signal) { (void)signal; system_calls++; selector = 0; }
/* 0: the clock was read without the kernel. */
static int calls_of_clock(void)
{
	struct timespec now;
	signal(SIGSYS, count_call);
	must(prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector));
	selector = 1;
	get_time(CLOCK_MONOTONIC_COARSE, &now);
	selector = 0;
	must(prctl(59, 0, 0, 0, 0));
	return system_calls;
}

int main(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	get_time = dlsym(vdso, "__vdso_clock_gettime");
	get_resolution = dlsym(vdso, "__vdso_clock_getres");
	get_cpu = dlsym(vdso, "__vdso_getcpu");
	get_day = dlsym(vdso, "__vdso_gettimeofday");
	get_seconds = dlsym(vdso, "__vdso_time");
	get_random = dlsym(vdso, "__vdso_getrandom");
	struct timespec before, now;
	must(get_time(CLOCK_MONOTONIC, &before));
	ready();
	wait_until_told();

	unsigned cpu = -1, node = -1;
	struct timeval day = { 0 };
	prove("time", get_time(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec >= before.tv_sec && now.tv_sec < before.tv_sec + 600);
	prove_equal("quickly", calls_of_clock(), 0);
	prove("resolution", get_resolution(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec == 0 && now.tv_nsec == 1);
	prove("cpu", get_cpu(&cpu, &node, NULL) == 0 && cpu < 4096 && node < 1024);
	prove("day", get_day(&day, NULL) == 0 && get_seconds(NULL) - day.tv_sec < 5);
	char bytes[32] = { 0 }, none[32] = { 0 };
	prove("random", get_random == NULL || (get_random(bytes, 32, 0, NULL, 0) == 32 && memcmp(bytes, none, 32) != 0));
	restored();
}
