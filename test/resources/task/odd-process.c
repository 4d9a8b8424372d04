/* A process whose bounds, auxiliary vector and executable were changed, that logged in, and whose readable memory may be run. */
#include "program.h"
#include <elf.h>
#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>

static int read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY), length = fd < 0 ? -1 : read(fd, text, room);
	if (fd >= 0) close(fd);
	return length;
}
static unsigned long fields[53];
static void read_stat(void)
{
	char text[2048] = "";
	int number = 3;
	must(read_file("/proc/self/stat", text, sizeof text - 1));
	for (char *word = strtok(strrchr(text, ')') + 2, " "); word && number < 53; word = strtok(NULL, " ")) fields[number++] = strtoul(word, NULL, 10);
}
static int is_executable(const void *at)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char rights[8];
	int found = 0;
	while (fgets(line, sizeof line, maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && start <= (uintptr_t)at && (uintptr_t)at < end) found = rights[2] == 'x';
	fclose(maps);
	return found;
}

int main(void)
{
	/* The kernel shows them from anonymous memory only. */
	char *words = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), *environment = words + 2048;
	static unsigned long auxv[] = { AT_PAGESZ, 4096, AT_CLKTCK, 123, AT_NULL, 0 };
	char *before = must(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memcpy(words, "moved\0here", 11);
	memcpy(environment, "A=b", 4);
	int login = open("/proc/self/loginuid", O_WRONLY);
	int has_login = login >= 0 && write(login, "4711", 4) == 4;
	close(login);
	must(munmap(before + 4096, 4096));
	read_stat();
	struct prctl_mm_map map = {
		.start_code = fields[26], .end_code = fields[27] - 4, .start_stack = fields[28] - 16, .start_data = fields[45] + 8, .end_data = fields[46] - 8,
		.start_brk = fields[47], .brk = (uintptr_t)sbrk(0), .arg_start = (uintptr_t)words, .arg_end = (uintptr_t)words + 11,
		.env_start = (uintptr_t)environment, .env_end = (uintptr_t)environment + 4, .auxv = (void *)auxv, .auxv_size = sizeof auxv, .exe_fd = -1,
	};
	must(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0));
	must(personality(READ_IMPLIES_EXEC | ADDR_COMPAT_LAYOUT | SHORT_INODE));
	ready();
	wait_until_told();

	char text[512] = "";
	int length = read_file("/proc/self/cmdline", text, sizeof text);
	prove("arguments", length == 11 && memcmp(text, words, 11) == 0);
	length = read_file("/proc/self/environ", text, sizeof text);
	prove("environment", length == 4 && memcmp(text, environment, 4) == 0);
	length = read_file("/proc/self/auxv", text, sizeof text);
	prove("vector", length >= (int)sizeof auxv && memcmp(text, auxv, sizeof auxv) == 0);
	read_stat();
	prove("bounds", fields[27] == map.end_code && fields[28] == map.start_stack && fields[45] == map.start_data && fields[46] == map.end_data);
	prove("heap", (uintptr_t)sbrk(4096) == map.brk && (uintptr_t)sbrk(0) == map.brk + 4096);
	memset(text, 0, sizeof text);
	prove("login", !has_login || (read_file("/proc/self/loginuid", text, sizeof text) == 4 && strcmp(text, "4711") == 0));
	char *after = must(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	prove("personality", personality(0xffffffff) == (READ_IMPLIES_EXEC | ADDR_COMPAT_LAYOUT | SHORT_INODE) && is_executable(after) && !is_executable(before));
	restored();
}
