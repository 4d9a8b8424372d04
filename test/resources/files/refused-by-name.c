/* Holds one thing that cannot be dumped, named by the argument; or says that this kernel does not have it. */
#include "program.h"
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum { PAGE = 4096 };

static int hold(const char *what)
{
	if (strcmp(what, "leased") == 0) {
		int fd = open("leased", O_RDWR | O_CREAT, 0600);
		if (fd < 0 || write(fd, "contents", 8) < 0 || unlink("leased") < 0) return -1;
		return fcntl(fd, F_SETLEASE, F_WRLCK);
	}
	if (strcmp(what, "secret") == 0) {
		int fd = syscall(SYS_memfd_secret, 0);
		return fd < 0 ? fd : ftruncate(fd, PAGE);
	}
	if (strcmp(what, "secret-memory") == 0) {
		int fd = syscall(SYS_memfd_secret, 0);
		if (fd < 0 || ftruncate(fd, PAGE) < 0) return -1;
		return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : close(fd);
	}
	if (strncmp(what, "io_uring", 8) == 0) {
		struct io_uring_params parameters = { 0 };
		int fd = syscall(SYS_io_uring_setup, 4, &parameters);
		if (fd < 0 || strcmp(what, "io_uring") == 0) return fd;
		return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING) == MAP_FAILED ? -1 : close(fd);
	}
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || strcmp(what, "userfaultfd") == 0) return fd;
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register watched = { .range = { (uintptr_t)memory, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	return ioctl(fd, UFFDIO_REGISTER, &watched);
}

int main(int count, char **words)
{
	(void)count;
	if (hold(words[1]) < 0) say("not here: %s", strerror(errno));
	ready();
	wait_until_told();
	restored();
}
