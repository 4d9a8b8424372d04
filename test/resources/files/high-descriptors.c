/* Descriptors with the highest number that the limit allows, and beyond a limit that was lowered since. */
#include "program.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit limit;
	must(getrlimit(RLIMIT_NOFILE, &limit));
	int highest = (limit.rlim_max < 1 << 20 ? limit.rlim_max : 1 << 20) - 1, low = must(open("file", O_RDWR | O_CREAT, 0600));
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	must(dup2(low, highest));
	int other = must(fcntl(low, F_DUPFD_CLOEXEC, highest - 1));
	limit.rlim_cur = low + 1;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	must(write(low, "file", 4));
	ready();
	wait_until_told();

	prove_equal("highest", lseek(highest, 0, SEEK_CUR), 4);
	prove_equal("shared", (must(lseek(other, 1, SEEK_SET)), lseek(low, 0, SEEK_CUR)), 1);
	prove("flags", fcntl(other, F_GETFD) == FD_CLOEXEC && fcntl(highest, F_GETFD) == 0);
	prove("full", dup(low) == -1 && errno == EMFILE);
	restored();
}
