/* Processes and threads that may not make every system call: each child makes a state of its own and proves it when it is told to. */
#include "program.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int go[2];
static pthread_barrier_t made, told;

static void wait_for_word(void)
{
	char word;
	while (read(go[0], &word, 1) != 1);
}
static void made_it(int made) { if (write(made, "x", 1) != 1) _exit(97); }

/* A filter that answers the system call `number` with `action`. */
static int filter(int number, unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
static int filter_errno(int number, int error) { return filter(number, SECCOMP_RET_ERRNO | error, 0); }
/* errno of a system call that no kernel has. */
static int result(int number) { return syscall(number) == -1 ? errno : 0; }

/* Only read, write, exit and rt_sigreturn are left. */
static void strict(int made)
{
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	made_it(made);
	wait_for_word();
	say("strict: proved");
	syscall(SYS_exit, 0);
}

static void stacked(int made)
{
	must(filter_errno(1001, 11));
	must(filter_errno(1001, 12));
	must(filter_errno(1002, 13));
	made_it(made);
	wait_for_word();
	prove("stacked", result(1001) == 12 && result(1002) == 13 && result(1003) == ENOSYS);
}

/* Ends who makes the call: a child finds out. */
static void deadly(int made)
{
	int status;
	must(filter(1001, SECCOMP_RET_KILL_PROCESS, SECCOMP_FILTER_FLAG_LOG));
	made_it(made);
	wait_for_word();
	pid_t child = must(fork());
	if (child == 0) _exit(result(1001));
	must(waitpid(child, &status, 0));
	prove("deadly", WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* Nothing is allowed to it that our calls need: it can only write and exit, not even return from a signal. */
static void narrow(int made)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 6, code };
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	made_it(made);
	wait_for_word();
	say("narrow: proved");
}

/* Set by root, which then gave all its rights away: no_new_privs is not set. */
static void unprivileged(int made)
{
	must(filter_errno(1001, 44));
	must(setresuid(4001, 4001, 4001));
	made_it(made);
	wait_for_word();
	prove("unprivileged", result(1001) == 44 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 && getuid() == 4001);
}

static volatile int of_thread[2];
static void *look(void *own)
{
	if (own) must(filter_errno(1002, 22));
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	of_thread[0] = result(1001);
	of_thread[1] = result(1002);
	return NULL;
}

/* The filters of two threads begin with the same one and go on apart. */
static void threads(int ready)
{
	pthread_t other;
	must(filter_errno(1001, 21));
	pthread_create(&other, NULL, look, &other);
	pthread_barrier_wait(&made);
	must(filter_errno(1003, 23));
	made_it(ready);
	wait_for_word();
	pthread_barrier_wait(&told);
	pthread_join(other, NULL);
	prove("threads", result(1001) == 21 && result(1002) == ENOSYS && result(1003) == 23 && of_thread[0] == 21 && of_thread[1] == 22);
}

/* A thread alone is filtered, the first one is not. */
static void second(int ready)
{
	pthread_t other;
	pthread_create(&other, NULL, look, &other);
	pthread_barrier_wait(&made);
	made_it(ready);
	wait_for_word();
	pthread_barrier_wait(&told);
	pthread_join(other, NULL);
	prove("second", result(1002) == ENOSYS && of_thread[1] == 22);
}

/* The kernel gives filters to other threads only when theirs are ancestors of the caller's: the same objects, not equal ones. */
static void synchronise(const char *name, int ready, int more)
{
	pthread_t other;
	must(filter_errno(1001, 31));
	pthread_create(&other, NULL, look, NULL);
	pthread_barrier_wait(&made);
	if (more) must(filter_errno(1003, 33));
	made_it(ready);
	wait_for_word();
	int refused = filter(1002, SECCOMP_RET_ERRNO | 32, SECCOMP_FILTER_FLAG_TSYNC);
	pthread_barrier_wait(&told);
	pthread_join(other, NULL);
	prove(name, refused == 0 && of_thread[0] == 31 && of_thread[1] == 32);
}
static void alike(int ready) { synchronise("alike", ready, 0); }
static void ahead(int ready) { synchronise("ahead", ready, 1); }

/* The flags of the `deadly` filters, which only a tracer can ask for. */
static void prove_flags(pid_t pid)
{
	struct { uint64_t offset, flags; } metadata = { 0, 0 };
	must(ptrace(PTRACE_SEIZE, pid, 0, 0));
	must(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	must(waitpid(pid, NULL, __WALL));
	must(ptrace(0x420d /* PTRACE_SECCOMP_GET_METADATA */, pid, sizeof metadata, &metadata));
	must(ptrace(PTRACE_DETACH, pid, 0, 0));
	prove_equal("flags", metadata.flags, SECCOMP_FILTER_FLAG_LOG);
}

int main(void)
{
	void (*const kinds[])(int) = { deadly, strict, stacked, narrow, unprivileged, threads, second, alike, ahead };
	enum { COUNT = sizeof kinds / sizeof *kinds };
	int made_by[2];
	pid_t first = 0;
	char made_all[COUNT];

	pthread_barrier_init(&made, NULL, 2);
	pthread_barrier_init(&told, NULL, 2);
	must(pipe(go));
	must(pipe(made_by));
	for (int i = 0; i < COUNT; i++) {
		pid_t child = must(fork());
		if (i == 0) first = child;
		if (child == 0) {
			kinds[i](made_by[1]);
			_exit(0);
		}
	}
	for (int i = 0; i < COUNT; i++) must(read(made_by[0], &made_all[i], 1));
	ready();
	wait_until_told();
	prove_flags(first);
	must(write(go[1], "xxxxxxxxx", COUNT));
	while (wait(NULL) > 0);
	restored();
}
