/* Huge pages: private and shared anonymous memory, a memfd of them and a private mapping of that. */
#include "program.h"

static const size_t huge = 2 << 20;

static char *map(int fd, int flags)
{
	return must(mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, flags, fd, 0));
}
/* Pages of a file that have memory, of 512 bytes each. */
static long blocks(int fd)
{
	struct stat found;
	must(fstat(fd, &found));
	return found.st_blocks;
}

int main(void)
{
	char *private = map(-1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
	char *shared = map(-1, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB);
	int fd = must(memfd_create("huge", MFD_HUGETLB | MFD_ALLOW_SEALING));
	must(ftruncate(fd, 2 * huge));
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	char *file = map(fd, MAP_SHARED), *changed = map(fd, MAP_PRIVATE);
	strcpy(private + huge + 5000, "private");
	strcpy(shared + 3, "shared");
	strcpy(file + huge, "file");
	strcpy(changed + huge + 100000, "changed");
	must(mprotect(private, 2 * huge, PROT_READ));
	long before = blocks(fd);
	int ends[2];
	char byte;
	must(pipe(ends));
	pid_t child = must(fork());
	if (child == 0) {
		signal(SIGUSR2, tell_);
		must(write(ends[1], "r", 1));
		wait_until_told();
		strcpy(shared + huge, "child");
		_exit(strcmp(private + huge + 5000, "private") != 0);
	}
	must(read(ends[0], &byte, 1));
	ready();
	wait_until_told();

	int status;
	must(kill(child, SIGUSR2));
	must(waitpid(child, &status, 0));
	prove("private", strcmp(private + huge + 5000, "private") == 0 && private[0] == 0);
	prove("shared", strcmp(shared + 3, "shared") == 0 && strcmp(shared + huge, "child") == 0);
	prove("child", status == 0);
	prove("file", strcmp(file + huge, "file") == 0 && fcntl(fd, F_GET_SEALS) == F_SEAL_GROW);
	prove("changed", strcmp(changed + huge + 100000, "changed") == 0 && strcmp(changed + huge, "file") == 0 && file[huge + 100000] == 0);
	prove_equal("holes", blocks(fd), before);
	restored();
}
