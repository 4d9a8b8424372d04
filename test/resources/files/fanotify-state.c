/* fanotify(7): marks on a file and on the mount that it is on, with events that are ignored. */
#include "program.h"
#include <sys/fanotify.h>

static char before[4096];
static char *marks(int group)
{
	static char text[4096];
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", group);
	FILE *file = fopen(path, "r");
	size_t length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = 0;
	char *first = strstr(text, "fanotify");
	return first == NULL ? text : first;
}
/* The events that our own process caused, or'ed; others use the mount, too. */
static uint64_t events(int group)
{
	char bytes[8192] __attribute__((aligned(8)));
	uint64_t all = 0;
	ssize_t count;
	while ((count = read(group, bytes, sizeof bytes)) > 0) {
		struct fanotify_event_metadata *event = (void *)bytes;
		for (; FAN_EVENT_OK(event, count); event = FAN_EVENT_NEXT(event, count)) {
			if (event->pid == getpid()) all |= event->mask;
			if (event->fd >= 0) close(event->fd);
		}
	}
	return all;
}

int main(void)
{
	unsigned flags = FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC;
	int group = must(fanotify_init(flags, O_RDONLY | O_LARGEFILE)), on_mount = must(fanotify_init(flags, O_RDONLY | O_LARGEFILE));
	int file = must(open("file", O_RDWR | O_CREAT, 0644));
	must(fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE, AT_FDCWD, "file"));
	must(fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_CLOSE_WRITE, AT_FDCWD, "file"));
	must(fanotify_mark(on_mount, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_EXEC, AT_FDCWD, "."));
	strcpy(before, marks(group));
	strcpy(before + 2048, marks(on_mount));
	ready();
	wait_until_told();

	prove("quiet", events(group) == 0);
	prove("marks", strcmp(marks(group), before) == 0 && strcmp(marks(on_mount), before + 2048) == 0);
	must(write(file, "x", 1));
	prove("file", events(group) == FAN_MODIFY);
	must(close(must(open("file", O_WRONLY))));
	prove("ignored", events(group) == FAN_OPEN);
	must(close(must(open("script", O_WRONLY | O_CREAT, 0755))));
	pid_t child = must(fork());
	if (child == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	must(waitpid(child, NULL, 0));
	struct stat here, there;
	must(stat(".", &here));
	must(stat("/bin/true", &there));
	char bytes[8192];
	prove("mount", here.st_dev != there.st_dev || read(on_mount, bytes, sizeof bytes) > 0);
	restored();
}
