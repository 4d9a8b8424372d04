/* The system console, open twice: once by itself, once more by dup(2). */
#include "program.h"
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

int main(void)
{
	int console = must(open("/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK));
	int duplicate = must(dup(console));
	struct termios before, after;
	must(tcgetattr(console, &before));
	ready();
	wait_until_told();

	struct stat there;
	must(fstat(console, &there));
	prove("device", S_ISCHR(there.st_mode) && there.st_rdev == makedev(5, 1));
	prove("flags", (must(fcntl(console, F_GETFL)) & (O_ACCMODE | O_NONBLOCK)) == (O_RDWR | O_NONBLOCK));
	must(tcgetattr(console, &after));
	prove("settings", before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag && before.c_cflag == after.c_cflag && before.c_lflag == after.c_lflag);
	must(fcntl(console, F_SETFL, O_RDWR));
	prove("shared", (must(fcntl(duplicate, F_GETFL)) & O_NONBLOCK) == 0);
	restored();
}
