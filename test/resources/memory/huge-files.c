/* Files of a hugetlbfs that is mounted at the first argument: one with a name, one that was deleted, one deleted and closed. */
#include "program.h"

static const size_t huge = 2 << 20;
static const char *mount;

static int make(const char *kind, char *path)
{
	snprintf(path, 200, "%s/%s-%d", mount, kind, getpid());
	int fd = must(open(path, O_RDWR | O_CREAT | O_EXCL, 0640));
	must(ftruncate(fd, 3 * huge));
	return fd;
}
static char *map(int fd, int flags) { return must(mmap(NULL, 3 * huge, PROT_READ | PROT_WRITE, flags, fd, 0)); }
static long blocks(int fd)
{
	struct stat found;
	must(fstat(fd, &found));
	return found.st_blocks;
}

int main(int count, char **words)
{
	char path[200], other[200];
	mount = count > 1 ? words[1] : "";
	int named = make("named", path);
	char *shared = map(named, MAP_SHARED);
	strcpy(shared + huge + 7, "named");
	char *private = map(named, MAP_PRIVATE);
	strcpy(private + huge + 100, "changed");
	int deleted = make("deleted", other);
	must(unlink(other));
	char *memory = map(deleted, MAP_SHARED);
	strcpy(memory + 2 * huge + 5000, "deleted");
	int closed = make("closed", other);
	must(unlink(other));
	char *mapped = map(closed, MAP_SHARED);
	strcpy(mapped + 11, "mapped");
	must(close(closed));
	long before = blocks(deleted);
	ready();
	wait_until_told();

	char read_back[8] = "";
	prove("named", strcmp(shared + huge + 7, "named") == 0 && shared[huge + 100] == 0 && strcmp(private + huge + 100, "changed") == 0);
	strcpy(memory + huge, "again");
	prove("deleted", strcmp(memory + 2 * huge + 5000, "deleted") == 0 && pread(deleted, read_back, 6, huge) == 6 && strcmp(read_back, "again") == 0);
	prove("mapped", strcmp(mapped + 11, "mapped") == 0 && mapped[2 * huge] == 0);
	prove_equal("holes", blocks(deleted), before + (long)(huge / 512));
	must(unlink(path));
	restored();
}
