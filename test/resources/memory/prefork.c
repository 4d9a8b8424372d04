/* Twenty children that share the memory of their parent copy-on-write, but for a page each that they wrote. Each proves its own. */
#include "program.h"

#define CHILDREN 20
#define BYTES (8 << 20)
#define PAGE 4096

int main(void)
{
	unsigned char *memory = must(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	unsigned char *emptied = must(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	unsigned char *protected = must(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int ready_ends[2], result_ends[2];
	char byte;

	must(madvise(memory, BYTES, MADV_NOHUGEPAGE));
	for (int i = 0; i < BYTES; i++) memory[i] = i / PAGE + 1;
	memset(emptied, 7, 4 * PAGE);
	memset(protected, 9, 4 * PAGE);
	must(mprotect(protected, 4 * PAGE, PROT_READ));
	must(pipe(ready_ends));
	must(pipe(result_ends));
	for (int child = 0; child < CHILDREN; child++) {
		if (must(fork()) != 0) continue;
		memory[child * 64 * PAGE] = 200 + child;
		must(madvise(emptied, 2 * PAGE, MADV_DONTNEED));
		signal(SIGUSR2, tell_);
		must(write(ready_ends[1], "r", 1));
		wait_until_told();
		for (int i = 0; i < BYTES; i++) {
			unsigned char wanted = i == child * 64 * PAGE ? 200 + child : i / PAGE + 1;
			if (memory[i] != wanted) fail("child %d: byte %d is %d", child, i, memory[i]);
		}
		for (int i = 0; i < 4 * PAGE; i++) expect(emptied[i] == (i < 2 * PAGE ? 0 : 7));
		expect(protected[PAGE] == 9);
		must(write(result_ends[1], "r", 1));
		_exit(0);
	}
	for (int child = 0; child < CHILDREN; child++) must(read(ready_ends[0], &byte, 1));
	/* A page that the parent wrote after the forks. */
	memory[BYTES - 1] = 99;
	ready();
	wait_until_told();
	must(kill(0, SIGUSR2));
	for (int child = 0; child < CHILDREN; child++) must(read(result_ends[0], &byte, 1));
	expect(memory[BYTES - 1] == 99);
	restored();
}
