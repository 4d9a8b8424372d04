/* Memory of which a restore writes much at a time: in one piece, in single pages between others that were never touched, and in many mappings. */
#include "program.h"

enum { PAGE = 4096, WHOLE = 9000, SCATTERED = 6000, MAPPINGS = 300, PAGES = 7 };

/* Each page tells which one it is. */
static void fill(char *at, int page) { for (int word = 0; word < PAGE / 8; word++) ((uint64_t *)at)[word] = page * 1000003ull + word; }

static int is_filled(const char *at, int page)
{
	for (int word = 0; word < PAGE / 8; word++)
		if (((const uint64_t *)at)[word] != page * 1000003ull + word) return 0;
	return 1;
}

static char *map(int pages) { return must(mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }

int main(void)
{
	char *whole = map(WHOLE), *scattered = map(SCATTERED), *mappings = map(MAPPINGS * PAGES);
	int wrong = 0;

	for (int page = 0; page < WHOLE; page++) fill(whole + (size_t)page * PAGE, page);
	for (int page = 0; page < SCATTERED; page += 2) fill(scattered + (size_t)page * PAGE, page);
	for (int page = 0; page < MAPPINGS * PAGES; page++) fill(mappings + (size_t)page * PAGE, page);
	for (int one = 0; one < MAPPINGS; one += 2) must(mprotect(mappings + (size_t)one * PAGES * PAGE, PAGES * PAGE, PROT_READ));
	ready();
	wait_until_told();
	for (int page = 0; page < WHOLE; page++) wrong += !is_filled(whole + (size_t)page * PAGE, page);
	prove_equal("whole", wrong, 0);
	for (int page = 0; page < SCATTERED; page += 2) wrong += !is_filled(scattered + (size_t)page * PAGE, page);
	for (int page = 1; page < SCATTERED; page += 2) wrong += scattered[(size_t)page * PAGE] != 0;
	prove_equal("scattered", wrong, 0);
	for (int page = 0; page < MAPPINGS * PAGES; page++) wrong += !is_filled(mappings + (size_t)page * PAGE, page);
	prove_equal("mappings", wrong, 0);
	restored();
}
