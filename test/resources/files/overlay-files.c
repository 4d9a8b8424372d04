/* Files of an overlay file system, the mount of which is the argument: of the lower layer, copied up since it was opened, new, deleted. It has two
   directories of them, the first of which that is not taken is ours. */
#include "program.h"

static char read_first(int file)
{
	char byte = 0;
	must(pread(file, &byte, 1, 0));
	return byte;
}

int main(int count, char **arguments)
{
	must(chdir(count > 1 ? arguments[1] : ""));
	must(chdir(mkdir("1/taken", 0700) == 0 ? "1" : "2"));
	int lower = must(open("lower", O_RDONLY));
	char *mapped = must(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, lower, 0));
	int changed = must(open("changed", O_RDONLY)), changing = must(open("changed", O_RDWR));
	must(pwrite(changing, "u", 1, 0));
	char seen = read_first(changed);
	int fresh = must(open("new", O_RDWR | O_CREAT | O_EXCL, 0600)), deleted = must(open("deleted", O_RDWR));
	must(write(fresh, "new", 3));
	must(unlink("deleted"));
	ready();
	wait_until_told();

	prove("lower", *mapped == 'l' && read_first(lower) == 'l');
	prove("opened", read_first(changed) == seen);
	prove("changed", read_first(changing) == 'u');
	prove("new", lseek(fresh, 0, SEEK_CUR) == 3 && read_first(fresh) == 'n');
	prove("deleted", read_first(deleted) == 'd' && access("deleted", F_OK) != 0);
	must(pwrite(changing, "w", 1, 0));
	prove("written", read_first(must(open("changed", O_RDONLY))) == 'w');
	restored();
}
