/* Private memory of every protection and use: data, code, forbidden, locked, advised, guarded, growing, mostly holes. */
#include "program.h"
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>

enum { PAGE = 4096, GUARD_INSTALL = 102, GUARD_REMOVE = 103 };
/* With so much of it a dump that leaves the program running copies it by a fork. */
enum { DATA = 1200 * PAGE };
static const size_t sparse_length = 1ul << 30;

static char *anonymous(size_t length, int protection, int flags)
{
	return must(mmap(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0));
}
static void fill(void *at, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length / 4; i++) ((uint32_t *)at)[i] = seed + i * 2654435761u;
}
static int is_filled(void *at, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length / 4; i++)
		if (((uint32_t *)at)[i] != (uint32_t)(seed + i * 2654435761u)) return 0;
	return 1;
}

static sigjmp_buf back;
static void escape(int signal) { siglongjmp(back, signal); }
/* The signal that a read raises, 0 for none. */
static int signal_of_read(volatile char *at)
{
	int raised = sigsetjmp(back, 1);
	if (raised == 0) (void)*at;
	return raised;
}

/* A line of the smaps of the mappings that begin in a region, in kB. */
static long smaps(void *at, size_t length, const char *what)
{
	char line[512];
	long sum = 0;
	int inside = 0;
	FILE *file = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof line, file)) {
		unsigned long start, end;
		long value;
		char key[64];
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = start >= (uintptr_t)at && end <= (uintptr_t)at + length;
		else if (inside && sscanf(line, "%63[^:]: %ld", key, &value) == 2 && strcmp(key, what) == 0) sum += value;
	}
	fclose(file);
	return sum;
}

static volatile int system_calls;
static volatile char selector;
static void count_call(int signal) { (void)signal; system_calls++; selector = 0; }
static int calls_of_clock(void)
{
	struct timespec now;
	system_calls = 0;
	signal(SIGSYS, count_call);
	must(prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector));
	selector = 1;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	selector = 0;
	must(prctl(59, 0, 0, 0, 0));
	return system_calls;
}

static int use_stack(int depth)
{
	volatile char room[16 * PAGE];
	room[0] = depth;
	return depth == 0 ? room[0] : use_stack(depth - 1) + room[0];
}

/* What a child finds. */
static int in_child(int (*look)(void *), void *at)
{
	int status;
	pid_t child = must(fork());
	if (child == 0) _exit(look(at) ? 0 : 1);
	must(waitpid(child, &status, 0));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
static int is_zero(void *at) { return *(volatile uint32_t *)at == 0; }
static int is_missing(void *at) { return signal_of_read(at) == SIGSEGV; }

int main(void)
{
	signal(SIGSEGV, escape);
	signal(SIGBUS, escape);
	char *data = anonymous(DATA, PROT_READ | PROT_WRITE, 0);
	fill(data, DATA, 1);
	char *constant = anonymous(2 * PAGE, PROT_READ | PROT_WRITE, 0);
	fill(constant, 2 * PAGE, 2);
	must(mprotect(constant, 2 * PAGE, PROT_READ));
	char *forbidden = anonymous(3 * PAGE, PROT_READ | PROT_WRITE, 0);
	fill(forbidden, 3 * PAGE, 3);
	must(mprotect(forbidden, 3 * PAGE, PROT_NONE));
	char *writable = anonymous(PAGE, PROT_WRITE, 0);
	fill(writable, PAGE, 4);
	char *code = anonymous(PAGE, PROT_READ | PROT_WRITE, 0);
	memcpy(code, "\xb8\x39\x30\x00\x00\xc3", 6); /* mov eax, 12345; ret */
	must(mprotect(code, PAGE, PROT_READ | PROT_EXEC));
	char *locked = anonymous(4 * PAGE, PROT_READ | PROT_WRITE, 0);
	must(mlock(locked, 4 * PAGE));
	fill(locked, 4 * PAGE, 5);

	int advices[] = { MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_SEQUENTIAL, MADV_RANDOM };
	char *advised[7];
	for (int i = 0; i < 7; i++) {
		anonymous(PAGE, PROT_NONE, 0); /* keeps them apart */
		advised[i] = anonymous(8 * PAGE, PROT_READ | PROT_WRITE, 0);
		must(madvise(advised[i], 8 * PAGE, advices[i]));
		fill(advised[i], 8 * PAGE, 10 + i);
	}
	char *guarded = anonymous(8 * PAGE, PROT_READ | PROT_WRITE, 0);
	fill(guarded, 8 * PAGE, 20);
	int has_guards = madvise(guarded + 2 * PAGE, 2 * PAGE, GUARD_INSTALL) == 0;

	/* Not inherited by a fork, and guarded from its first page on. */
	anonymous(PAGE, PROT_NONE, 0);
	char *apart = anonymous(8 * PAGE, PROT_READ | PROT_WRITE, 0);
	fill(apart, 8 * PAGE, 50);
	must(madvise(apart, 8 * PAGE, MADV_DONTFORK));
	madvise(apart, 2 * PAGE, GUARD_INSTALL);
	anonymous(PAGE, PROT_NONE, 0);

	/* A region that grows downwards, with room below it that is too small for anybody else. */
	char *room = anonymous(1024 * PAGE, PROT_NONE, 0);
	must(munmap(room + 1004 * PAGE, 20 * PAGE));
	char *growing = must(mmap(room + 1020 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	growing[0] = growing[PAGE] = 7;

	char *sparse = anonymous(sparse_length, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	must(madvise(sparse, sparse_length, MADV_NOHUGEPAGE));
	for (size_t at = 0; at < sparse_length; at += sparse_length / 16) fill(sparse + at, PAGE, at);
	for (size_t at = PAGE; at < sparse_length; at += sparse_length / 16) (void)*(volatile char *)(sparse + at); /* zero pages */
	long pages_before = smaps(sparse, sparse_length, "Anonymous");

	char *zero_file = must(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("/dev/zero", O_RDWR | O_CLOEXEC), 0));
	fill(zero_file, 2 * PAGE, 30);
	char *heap = must(sbrk(0));
	char *heap_end = heap + 5 * PAGE + 123;
	expect(brk(heap_end) == 0);
	fill(heap, 5 * PAGE, 40);
	ready();
	wait_until_told();

	prove("data", is_filled(data, DATA, 1));
	prove("constant", is_filled(constant, 2 * PAGE, 2));
	prove("forbidden", signal_of_read(forbidden) == SIGSEGV && mprotect(forbidden, 3 * PAGE, PROT_READ) == 0 && is_filled(forbidden, 3 * PAGE, 3));
	must(mprotect(writable, PAGE, PROT_READ | PROT_WRITE));
	prove("writable", is_filled(writable, PAGE, 4));
	prove("code", ((int (*)(void))code)() == 12345);
	prove("locked", is_filled(locked, 4 * PAGE, 5) && smaps(locked, 4 * PAGE, "Locked") == 16);
	int kept = 1;
	for (int i = 0; i < 7; i++) kept &= is_filled(advised[i], 8 * PAGE, 10 + i);
	prove("advised", kept);
	prove("dontfork", in_child(is_missing, advised[0]));
	prove("wipeonfork", in_child(is_zero, advised[1]));
	prove("guards", !has_guards || (signal_of_read(guarded + 2 * PAGE) == SIGSEGV && signal_of_read(guarded + 4 * PAGE - 1) == SIGSEGV && is_filled(guarded, 2 * PAGE, 20) && signal_of_read(guarded + 4 * PAGE) == 0));
	prove("guards-apart", is_filled(apart + 2 * PAGE, 6 * PAGE, 50 + 2 * PAGE / 4 * 2654435761u) && (!has_guards || signal_of_read(apart) == SIGSEGV));
	prove("unguarded", !has_guards || (madvise(guarded + 2 * PAGE, 2 * PAGE, GUARD_REMOVE) == 0 && guarded[2 * PAGE] == 0));
	prove("growing", growing[0] == 7 && growing[PAGE] == 7 && signal_of_read(growing - 1) == 0 && signal_of_read(growing - 3 * PAGE) == 0);
	prove("stack", use_stack(20) != -1);
	int same = 1;
	prove_equal("holes", smaps(sparse, sparse_length, "Anonymous"), pages_before);
	for (size_t at = 0; at < sparse_length; at += sparse_length / 16) same &= is_filled(sparse + at, PAGE, at) && sparse[at + PAGE] == 0;
	prove("sparse", same);
	prove("zero", is_filled(zero_file, 2 * PAGE, 30) && zero_file[3 * PAGE] == 0);
	prove("heap", is_filled(heap, 5 * PAGE, 40) && sbrk(0) == heap_end);
	prove("brk", sbrk(100 * PAGE) == heap_end && (fill(heap + 6 * PAGE, 90 * PAGE, 1), 1) && malloc(1 << 20) != NULL);
	prove_equal("vdso", calls_of_clock(), 0);
	restored();
}
