/* inotify(7): a watch of a file, HIDDEN/file, that is also SHOWN/file. The first name may lead elsewhere by the time that it is dumped. */
#include "program.h"
#include <sys/inotify.h>

static int touch(const char *name) { return close(must(open(name, O_WRONLY))); }

int main(int argc, char **argv)
{
	expect(argc == 3);
	int watches = must(inotify_init1(IN_NONBLOCK));
	int watch = must(inotify_add_watch(watches, argv[1], IN_CLOSE_WRITE));
	ready();
	wait_until_told();

	struct inotify_event event;
	expect(read(watches, &event, sizeof event) == -1 && errno == EAGAIN);
	touch(argv[2]);
	expect(must(read(watches, &event, sizeof event)) == sizeof event);
	expect(event.wd == watch && event.mask == IN_CLOSE_WRITE);
	restored();
}
