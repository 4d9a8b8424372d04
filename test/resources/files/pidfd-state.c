/* pidfd_open(2): of the process itself, a child, a zombie, a thread, and of processes that are gone. */
#include "program.h"
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define THREAD O_EXCL
struct info { uint64_t mask, cgroup; uint32_t pid, tgid, ppid, ids[8]; int32_t exit_code; };
#define GET_INFO _IOWR(0xff, 11, struct info)

static int open_pidfd(pid_t pid, int flags) { return syscall(SYS_pidfd_open, pid, flags); }
static int send_signal(int process, int signal) { return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0); }
static int has_ended(int process, int timeout)
{
	struct pollfd one = { process, POLLIN, 0 };
	return poll(&one, 1, timeout) == 1;
}
static ino_t inode(int file)
{
	struct stat stat;
	must(fstat(file, &stat));
	return stat.st_ino;
}
static int exit_code(int process)
{
	struct info info = { .mask = 8 };
	return ioctl(process, GET_INFO, &info) == 0 && (info.mask & 8) ? info.exit_code : -1;
}
static pid_t end_with(int code)
{
	pid_t child = must(fork());
	if (child == 0) {
		if (code == SIGTERM) {
			signal(SIGTERM, SIG_DFL);
			raise(SIGTERM);
		}
		_exit(code >> 8);
	}
	return child;
}

static volatile pid_t thread_id;
static int go[2];
static void *run(void *none)
{
	char byte;
	thread_id = syscall(SYS_gettid);
	must(read(go[0], &byte, 1));
	return none;
}

int main(void)
{
	pthread_t thread;
	must(pipe(go));
	int self = must(open_pidfd(getpid(), 0));
	pid_t child = must(fork());
	if (child == 0) {
		for (;;) pause();
	}
	int of_child = must(open_pidfd(child, O_NONBLOCK));
	pid_t zombie = end_with(5 << 8);
	int of_zombie = must(open_pidfd(zombie, 0));
	expect(has_ended(of_zombie, 10000));
	pid_t seven = end_with(7 << 8), killed = end_with(SIGTERM);
	int dead = must(open_pidfd(seven, 0)), again = must(open_pidfd(seven, O_NONBLOCK)), other = must(open_pidfd(killed, 0));
	int tells = has_ended(other, 10000) && waitpid(seven, NULL, 0) == seven && waitpid(killed, NULL, 0) == killed && exit_code(dead) == 7 << 8;
	pthread_create(&thread, NULL, run, NULL);
	while (thread_id == 0) usleep(1000);
	int of_thread = open_pidfd(thread_id, THREAD); /* since Linux 6.9 */
	ready();
	wait_until_told();

	prove("self", send_signal(self, 0) == 0 && inode(self) != inode(of_child));
	siginfo_t ended = { 0 };
	prove("nonblocking", waitid(P_PIDFD, of_child, &ended, WEXITED) == -1 && errno == EAGAIN);
	must(send_signal(of_child, SIGKILL));
	prove("child", has_ended(of_child, 10000) && waitid(P_PIDFD, of_child, &ended, WEXITED) == 0 && ended.si_pid == child);
	prove("zombie", waitid(P_PIDFD, of_zombie, &ended, WEXITED) == 0 && ended.si_pid == zombie && ended.si_status == 5);
	int running = of_thread != -1 && !has_ended(of_thread, 0);
	must(write(go[1], "x", 1));
	prove("thread", of_thread == -1 || (running && has_ended(of_thread, 10000)));
	prove("dead", has_ended(dead, 0) && has_ended(again, 0) && has_ended(other, 0) && send_signal(dead, 0) == -1 && errno == ESRCH);
	prove("code", !tells || (exit_code(dead) == 7 << 8 && exit_code(again) == 7 << 8 && exit_code(other) == SIGTERM));
	prove("same", inode(dead) == inode(again) && inode(dead) != inode(other));
	restored();
}
