/* An address space as a whole and its oddities: what is locked and when, bounds that were moved, its highest and lowest page, a file that
   was replaced under its mapping, shared memory of /dev/zero. */
#include "program.h"
#include <linux/prctl.h>
#include <sys/prctl.h>

enum { PAGE = 4096, EXCEPT_ADVISED = 2 };
static const uintptr_t highest = 0x7ffffffff000 - PAGE, lowest = 0x10000;

static char *map(size_t length, int flags)
{
	return must(mmap(NULL, length, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0));
}
static char *map_at(uintptr_t at)
{
	void *found = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return found == (void *)at ? found : NULL;
}
/* A line of smaps of the mapping at an address. */
static int smaps(void *at, const char *key, char *value)
{
	char line[512], name[64];
	int inside = 0, found = 0;
	FILE *file = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof line, file)) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) inside = start <= (uintptr_t)at && (uintptr_t)at < end;
		else if (inside && sscanf(line, "%63[^:]: %200[^\n]", name, value) == 2 && strcmp(name, key) == 0) found = 1;
		if (inside && found) break;
	}
	fclose(file);
	return found;
}
static int has_flag(void *at, const char *letters)
{
	char value[256] = "", wanted[8];
	smaps(at, "VmFlags", value);
	snprintf(wanted, sizeof wanted, "%s ", letters);
	return strstr(strcat(value, " "), wanted) != NULL;
}
static long kilobytes(void *at, const char *key)
{
	char value[256] = "-1";
	smaps(at, key, value);
	return atol(value);
}
static int command_line_is(const char *wanted)
{
	char text[64] = "";
	int fd = must(open("/proc/self/cmdline", O_RDONLY));
	must(read(fd, text, sizeof text - 1));
	close(fd);
	return strcmp(text, wanted) == 0;
}
/* All bounds at once: one alone needs CAP_SYS_RESOURCE. proc_pid_stat(5) numbers its fields from 1. */
static void set_arguments(char *at, size_t length)
{
	char text[2048] = "";
	unsigned long field[53] = { 0 };
	int fd = must(open("/proc/self/stat", O_RDONLY)), number = 3;
	must(read(fd, text, sizeof text - 1));
	close(fd);
	for (char *word = strtok(strrchr(text, ')') + 2, " "); word && number < 53; word = strtok(NULL, " ")) field[number++] = strtoul(word, NULL, 10);
	struct prctl_mm_map map = {
		.start_code = field[26], .end_code = field[27], .start_stack = field[28], .start_data = field[45], .end_data = field[46],
		.start_brk = field[47], .brk = (uintptr_t)sbrk(0), .arg_start = (uintptr_t)at, .arg_end = (uintptr_t)at + length,
		.env_start = field[50], .env_end = field[51], .exe_fd = -1,
	};
	must(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0));
}
static void write_file(const char *name, const char *text)
{
	int fd = must(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
	must(write(fd, text, strlen(text)));
	close(fd);
}

int main(int count, char **words)
{
	int later = count > 1 && strcmp(words[1], "later") == 0;
	char *lazily = map(8 * PAGE, MAP_PRIVATE), *merged = map(4 * PAGE, MAP_PRIVATE);
	must(mlock2(lazily, 8 * PAGE, MLOCK_ONFAULT));
	lazily[0] = 1;
	int has_ksm = madvise(merged, 4 * PAGE, MADV_MERGEABLE) == 0;
	memset(merged, 7, 4 * PAGE);
	char *top = map_at(highest), *bottom = map_at(lowest);
	if (top) strcpy(top, "top");
	if (bottom) strcpy(bottom, "bottom");

	char *name = map(PAGE, MAP_PRIVATE);
	strcpy(name, "another name");
	set_arguments(name, strlen(name) + 1);

	write_file("replaced", "the old file");
	int fd = must(open("replaced", O_RDWR));
	char *old = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	write_file("new", "the new file");
	must(rename("new", "replaced"));
	fd = must(open("/dev/zero", O_RDWR));
	char *zero = must(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	strcpy(zero + PAGE, "shared");
	/* Advised memory may have huge pages all the same, where the kernel can tell the two. */
	int except_advised = prctl(PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 0) == 0;
	if (!except_advised) must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	if (later) must(mlockall(MCL_FUTURE | MCL_ONFAULT));
	else must(mlockall(MCL_FUTURE));
	ready();
	wait_until_told();

	prove("lazily", lazily[0] == 1 && has_flag(lazily, "lo") && kilobytes(lazily, "Rss") == 4);
	prove("merged", !has_ksm || (has_flag(merged, "mg") && merged[3 * PAGE] == 7));
	prove("top", top == NULL || strcmp(top, "top") == 0);
	prove("bottom", bottom == NULL || strcmp(bottom, "bottom") == 0);
	prove("name", command_line_is("another name"));
	prove("replaced", strcmp(old, "the old file") == 0);
	prove("new", access("replaced", R_OK) == 0 && (fd = open("replaced", O_RDONLY)) >= 0 && read(fd, name, 12) == 12 && strcmp(name, "the new file") == 0);
	prove("zero", zero[0] == 0 && strcmp(zero + PAGE, "shared") == 0);
	prove_equal("thp", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), except_advised ? 1 | EXCEPT_ADVISED : 1);
	char *fresh = map(64 * PAGE, MAP_PRIVATE);
	prove("future", has_flag(fresh, "lo") && kilobytes(fresh, "Rss") == (later ? 0 : 64 * 4));
	restored();
}
