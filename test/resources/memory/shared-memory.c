/* Memory that processes share, and mappings of files: dirty, shared, shorter than the mapping, deleted. */
#include "program.h"
#include <setjmp.h>

enum { PAGE = 4096 };
static sigjmp_buf back;
static void escape(int signal) { siglongjmp(back, signal); }
static int signal_of_read(volatile char *at)
{
	int raised = sigsetjmp(back, 1);
	if (raised == 0) (void)*at;
	return raised;
}

static int make_file(const char *name, int length)
{
	int file = must(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	for (int i = 0; i < length; i++) {
		char letter = 'a' + i / PAGE;
		must(write(file, &letter, 1));
	}
	return file;
}
static char *map(int file, size_t length, int flags, off_t offset)
{
	return must(mmap(NULL, length, PROT_READ | PROT_WRITE, flags, file, offset));
}
/* Of 512 bytes each, of the object behind a mapping. */
static long blocks(volatile void *at, size_t length)
{
	char path[64];
	struct stat stat_;
	snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (long)at, (long)at + length);
	must(stat(path, &stat_));
	return stat_.st_blocks;
}

/* Answers in the word next to each question, in memory mapped from its second page on, and one page by a mapping of its own. */
static void child(volatile uint32_t *shared, volatile uint32_t *sparse)
{
	must(munmap((void *)shared, PAGE));
	__atomic_add_fetch(&shared[2000], 1, __ATOMIC_SEQ_CST);
	for (;;) {
		if (shared[1024] != 0 && shared[1025] == 0) shared[1025] = shared[1024] + sparse[5 << 18];
		usleep(1000);
	}
}

int main(void)
{
	char text[8] = "";
	signal(SIGBUS, escape);
	volatile uint32_t *shared = (uint32_t *)map(-1, 8 * PAGE, MAP_SHARED | MAP_ANONYMOUS, 0);
	volatile uint32_t *sparse = (uint32_t *)map(-1, 256 << 20, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	/* The same memory twice. */
	volatile uint32_t *again = must(mremap((void *)shared, 0, 8 * PAGE, MREMAP_MAYMOVE));
	sparse[5 << 18] = 1000;
	sparse[40 << 18] = 3000;
	again[3000] = 77;
	pid_t children[2];
	for (int i = 0; i < 2; i++) if ((children[i] = must(fork())) == 0) child(shared, sparse);

	int file = make_file("private", 4 * PAGE);
	char *private = map(file, 4 * PAGE, MAP_PRIVATE, 0);
	private[PAGE] = 'X';
	char *tail = map(file, 2 * PAGE, MAP_PRIVATE, 2 * PAGE);
	tail[PAGE] = 'Y';
	int both = make_file("shared", 3 * PAGE);
	char *mapped = map(both, 3 * PAGE, MAP_SHARED, 0);
	mapped[PAGE] = 'Z';
	int read_only = must(open("shared", O_RDONLY | O_CLOEXEC));
	char *constant = must(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, read_only, PAGE));
	close(read_only);
	int small = make_file("short", PAGE + 100);
	char *beyond = map(small, 4 * PAGE, MAP_PRIVATE, 0);
	beyond[PAGE + 99] = 'W';
	char *beyond_shared = map(small, 4 * PAGE, MAP_SHARED, 0);
	int gone = make_file("gone", 2 * PAGE);
	char *deleted = map(gone, 2 * PAGE, MAP_PRIVATE, 0), *deleted_shared = map(gone, 2 * PAGE, MAP_SHARED, 0);
	deleted[0] = 'V';
	deleted_shared[PAGE] = 'U';
	must(unlink("gone"));
	close(gone);
	close(small);
	long before = blocks(sparse, 256 << 20);
	while (shared[2000] != 2) usleep(1000); /* both children have unmapped what they do without */
	ready();
	wait_until_told();

	prove("words", again[3000] == 77 && shared[3000] == 77);
	shared[3001] = 78;
	prove("twice", again[3001] == 78);
	prove_equal("holes", blocks(sparse, 256 << 20), before);
	prove("sparse", sparse[5 << 18] == 1000 && sparse[40 << 18] == 3000);
	shared[1024] = 42;
	for (int i = 0; i < 5000 && shared[1025] == 0; i++) usleep(1000);
	prove_equal("children", shared[1025], 1042);
	prove("dirty", private[0] == 'a' && private[PAGE] == 'X' && private[PAGE + 1] == 'b' && tail[0] == 'c' && tail[PAGE] == 'Y');
	must(pread(file, text, 1, PAGE));
	prove("unwritten", text[0] == 'b');
	must(pwrite(file, "1", 1, 2 * PAGE));
	prove("clean", private[2 * PAGE] == '1' && tail[0] == '1');
	mapped[2 * PAGE] = '2';
	must(pread(both, text, 1, 2 * PAGE));
	prove("written", mapped[PAGE] == 'Z' && constant[0] == 'Z' && text[0] == '2');
	prove("beyond", beyond[PAGE + 99] == 'W' && beyond[PAGE + 100] == 0 && signal_of_read(beyond + 2 * PAGE) == SIGBUS && signal_of_read(beyond_shared + 3 * PAGE) == SIGBUS && beyond_shared[PAGE] == 'b');
	deleted_shared[1] = '3';
	prove("deleted", deleted[0] == 'V' && deleted_shared[0] == 'a' && deleted[PAGE] == 'U' && deleted_shared[PAGE] == 'U' && deleted[PAGE + 1] == 'b');
	for (int i = 0; i < 2; i++) kill(children[i], SIGKILL);
	restored();
}
