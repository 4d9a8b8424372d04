/* inotify(7): watches with their numbers, on files that lost their names as well; events that nobody has read. */
#include "program.h"
#include <sys/inotify.h>

static int touch(const char *name) { return close(must(open(name, O_WRONLY | O_CREAT, 0644))); }
/* All that is in the queue, as "WD:MASK/NAME " each. */
static const char *events(int file)
{
	static char text[4096];
	char bytes[4096] __attribute__((aligned(8)));
	ssize_t count;
	text[0] = 0;
	while ((count = read(file, bytes, sizeof bytes)) > 0)
		for (char *at = bytes; at < bytes + count;) {
			struct inotify_event *event = (void *)at;
			snprintf(text + strlen(text), sizeof text - strlen(text), "%d:%x/%s ", event->wd, event->mask, event->len ? event->name : "");
			at += sizeof *event + event->len;
		}
	return text;
}
#define is(file, wanted) (strcmp(events(file), wanted) == 0)

int main(void)
{
	int numbers = must(inotify_init1(IN_NONBLOCK)), unread = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	int deleted = must(inotify_init1(IN_NONBLOCK));
	must(mkdir("here", 0755));
	must(chdir("here"));
	must(mkdir("directory", 0755));
	touch("one"), touch("two"), touch("three"), touch("four");
	int removed = must(inotify_add_watch(numbers, "one", IN_OPEN));
	int directory = must(inotify_add_watch(numbers, "directory", IN_CREATE | IN_DELETE | IN_OPEN));
	must(inotify_rm_watch(numbers, removed));
	int two = must(inotify_add_watch(numbers, "two", IN_CLOSE_WRITE));
	int here = must(inotify_add_watch(numbers, ".", IN_ALL_EVENTS));
	must(inotify_add_watch(numbers, "three", IN_OPEN | IN_ONESHOT));
	int open_file = must(open("directory/open", O_RDWR | O_CREAT, 0644));
	int open_watch = must(inotify_add_watch(deleted, "directory/open", IN_MODIFY));
	must(inotify_add_watch(unread, "four", IN_OPEN));
	must(unlink("directory/open"));
	touch("four");
	events(numbers), events(deleted);
	ready();
	wait_until_told();

	prove("quiet", is(numbers, "") && is(deleted, ""));
	const char *told = events(unread);
	prove("lost", strcmp(told, "-1:4000/ ") == 0 || strcmp(told, "1:20/ ") == 0);
	touch("one"), touch("two");
	char wanted[256];
	snprintf(wanted, sizeof wanted, "%d:20/one %d:8/one %d:20/two %d:8/two %d:8/ ", here, here, here, here, two);
	const char *got = events(numbers);
	if (strcmp(got, wanted)) say("%s, not %s", got, wanted);
	prove("events", strcmp(got, wanted) == 0);
	prove("number", directory == 2 && two == 3 && here == 4);
	must(inotify_rm_watch(numbers, here));
	must(mkdir("directory/new", 0755));
	snprintf(wanted, sizeof wanted, "%d:8000/ %d:40000100/new ", here, directory);
	got = events(numbers);
	if (strcmp(got, wanted)) say("%s, not %s", got, wanted);
	prove("child", strcmp(got, wanted) == 0);
	touch("three"), touch("three");
	prove("once", is(numbers, "5:20/ 5:8000/ "));
	must(write(open_file, "x", 1));
	snprintf(wanted, sizeof wanted, "%d:2/ ", open_watch);
	prove("unlinked", is(deleted, wanted));
	prove("next", inotify_add_watch(numbers, "four", IN_OPEN) > 5);
	restored();
}
