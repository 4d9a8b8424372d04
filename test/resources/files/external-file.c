/* A file that is named by --external: its descriptor is 3. */
#include "program.h"

int main(void)
{
	int file = must(open("outside", O_WRONLY | O_CREAT | O_APPEND, 0644));
	expect(file == 3);
	must(write(file, "a", 1));
	ready();
	wait_until_told();
	must(write(file, "b", 1));
	restored();
}
