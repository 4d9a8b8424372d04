/* A program that has unmapped its vdso and what belongs to it. */
#include "program.h"

int main(void)
{
	unsigned long start[8], end[8];
	int count = 0;
	char line[512];
	FILE *file = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, file))
		if ((strstr(line, "[vdso]") || strstr(line, "[vvar")) && sscanf(line, "%lx-%lx", &start[count], &end[count]) == 2) count++;
	fclose(file);
	for (int i = 0; i < count; i++) must(munmap((void *)start[i], end[i] - start[i]));
	ready();
	wait_until_told();

	int left = 0;
	file = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, file)) left += strstr(line, "[vdso]") || strstr(line, "[vvar");
	prove_equal("gone", left, 0);
	restored();
}
