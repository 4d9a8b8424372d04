/* Files that lost the names by which they were opened and have others, files of /proc of a task that is gone, namespaces. */
#include "program.h"

static int is(int file, const char *wanted)
{
	char text[64] = "";
	return pread(file, text, sizeof text - 1, 0) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0;
}
static int is_same(int file, const char *name)
{
	struct stat here, there;
	return fstat(file, &here) == 0 && stat(name, &there) == 0 && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int main(void)
{
	char path[64], home[4096];
	must(getcwd(home, sizeof home) == NULL ? -1 : 0);
	int file = must(open("first", O_RDWR | O_CREAT, 0600));
	must(write(file, "contents", 8));
	must(link("first", "second"));
	must(mkdir("directory", 0755));
	must(link("first", "directory/third"));
	int again = must(open("second", O_RDONLY)), below = must(open("directory/third", O_RDONLY));
	must(link("first", "stays"));
	must(unlink("first")), must(unlink("second")), must(unlink("directory/third")), must(rmdir("directory"));
	int net = must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)), user = must(open("/proc/self/ns/user", O_RDONLY));

	pid_t child = must(fork());
	if (child == 0) {
		for (;;) pause();
	}
	snprintf(path, sizeof path, "/proc/%d/status", child);
	int status = must(open(path, O_RDONLY));
	snprintf(path, sizeof path, "/proc/%d", child);
	must(chdir(path));
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));
	ready();
	wait_until_told();

	char byte;
	prove("dead", read(status, &byte, 1) == -1 && errno == ESRCH);
	prove("directory", getcwd(path, sizeof path) == NULL && errno == ENOENT);
	must(chdir(home));
	prove("linked", is(file, "contents") && is_same(file, "stays"));
	prove("twice", is(again, "contents") && is_same(again, "stays"));
	prove("parents", is(below, "contents") && is_same(below, "stays"));
	prove("leftovers", access("first", F_OK) == -1 && access("directory", F_OK) == -1);
	prove("namespaces", is_same(net, "/proc/self/ns/net") && is_same(user, "/proc/self/ns/user") && (fcntl(net, F_GETFD) & FD_CLOEXEC));
	restored();
}
