// libcriu, CRIU's own client in C: asks what there is, is refused, dumps, is notified, and restores.
// Arguments: "service" or "swrk"; the socket, or the program to start; pid; directory of the images. With pid 0 it dumps itself.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criu.h>

static int told(char *action, criu_notify_arg_t about) {
	int pid = criu_notify_pid(about);
	if (pid == 0)
		printf("%s\n", action);
	else
		printf("%s %d\n", action, pid);
	return 0;
}

static void expect(int result, const char *said) {
	if (result < 0) {
		printf("%s: %d, errno %d\n", said, result, errno);
		exit(1);
	}
	printf("%s\n", said);
}

static void options(const char *how, const char *where, int images) {
	if (criu_init_opts() < 0)
		exit(1);
	if (strcmp(how, "service") == 0)
		criu_set_service_address(where);
	else
		criu_set_service_binary(where);
	criu_set_images_dir_fd(images);
}

int main(int argc, char *argv[]) {
	const char *how = argv[1], *where = argv[2];
	int pid = atoi(argv[3]), images = open(argv[4], O_DIRECTORY);
	char zombie[64];
	if (argc != 5 || images < 0)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);

	options(how, where, images);
	if (pid == 0) {
		printf("ready\n");
		// 1: this is the restored copy.
		printf("dumped itself: %d\n", criu_dump());
		return 0;
	}
	expect(criu_check(), "checked");
	printf("version %d\n", criu_get_version());
	struct criu_feature_check features = {.mem_track = true, .lazy_pages = true};
	expect(criu_feature_check(&features, sizeof features), "features");

	criu_set_pid(4194303);
	int refused = criu_dump();
	printf("refused %d, errno %d\n", refused, errno);

	options(how, where, images);
	criu_set_pid(pid);
	criu_set_leave_running(true);
	criu_set_notify_cb(told);
	expect(criu_dump(), "left running");

	options(how, where, images);
	criu_set_pid(pid);
	expect(criu_dump(), "dumped");
	snprintf(zombie, sizeof zombie, "/proc/%d", pid);
	while (access(zombie, F_OK) == 0)
		usleep(1000);

	options(how, where, images);
	criu_set_notify_cb(told);
	if (strcmp(how, "service") == 0) {
		printf("restored %d\n", criu_restore());
		return 0;
	}
	// The root becomes a child of ours, for whom we can wait.
	int root = criu_restore_child(), status;
	printf("restored %d\n", root);
	kill(root, SIGKILL);
	if (waitpid(root, &status, 0) != root || WTERMSIG(status) != SIGKILL)
		return 1;
	printf("waited for\n");
	return 0;
}
