/* Hundreds of mappings side by side that differ in protection, in advice, in whether they were ever written to, in what is behind them. The test
   compares what the kernel shows of each, its flags included. */
#include "program.h"

enum { PAGE = 4096, COUNT = 600, PAGES = 3 };
static const int protections[] = {
	PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, PROT_WRITE,
};
static uint32_t state = 4711;

static unsigned next(unsigned below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 16) % below;
}

struct one { char *at; int prot, filled; };
static struct one all[COUNT];

static char *area(void)
{
	char *at = must(mmap(NULL, COUNT * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	must(munmap(at, COUNT * PAGES * PAGE));
	return at;
}

/* What is not plain memory comes between what is. */
static int flags_of(int index)
{
	switch (index % 50) {
	case 11: return MAP_SHARED | MAP_ANONYMOUS;
	case 22: return MAP_PRIVATE;
	case 33: return MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN;
	case 40 ... 44: return MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	default: return MAP_PRIVATE | MAP_ANONYMOUS;
	}
}

static void make(int index, char *at, int file)
{
	struct one *one = &all[index];
	int flags = flags_of(index), first = protections[next(6)];

	one->at = at;
	one->prot = index % 5 == 0 ? protections[next(6)] : first;
	one->filled = (first & PROT_WRITE) && next(2);
	must(mmap(at, PAGES * PAGE, first, flags | MAP_FIXED, flags & MAP_ANONYMOUS ? -1 : file, 0));
	if (one->filled) memset(at + PAGE, index % 255 + 1, PAGE);
	if (one->prot != first) must(mprotect(at, PAGES * PAGE, one->prot));
	if (index % 7 == 0) must(madvise(at, PAGES * PAGE, MADV_DONTFORK));
	if (index % 11 == 0) must(madvise(at, PAGES * PAGE, MADV_DONTDUMP));
	if (index % 13 == 0 && one->prot & PROT_READ) must(mlock(at, PAGES * PAGE));
}

/* Every page of it, where it may be read. */
static int is_as_left(int index)
{
	const struct one *one = &all[index];
	if (!(one->prot & PROT_READ)) must(mprotect(one->at, PAGES * PAGE, one->prot | PROT_READ));
	for (int at = 0; at < PAGES * PAGE; at++) {
		int wanted = one->filled && at / PAGE == 1 ? index % 255 + 1 : 0;
		if ((unsigned char)one->at[at] != wanted) return 0;
	}
	return 1;
}

int main(void)
{
	char *at = area();
	int file = must(memfd_create("neighbours", 0)), wrong = 0;

	must(ftruncate(file, PAGES * PAGE));
	for (int index = 0; index < COUNT; index++)
		if (index % 50 != 49) make(index, at + index * PAGES * PAGE, file);
	close(file);
	ready();
	wait_until_told();
	for (int index = 0; index < COUNT; index++)
		if (index % 50 != 49) wrong += !is_as_left(index);
	prove_equal("contents", wrong, 0);
	restored();
}
