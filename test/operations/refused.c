/* One thing that cannot be dumped, named by the argument, in a program that otherwise just waits. */
#include "program.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int is(const char *what, const char *name) { return strcmp(what, name) == 0; }

/* A machine may forbid it: the test is skipped then. */
static int available(long result)
{
	if (result < 0) {
		say("unavailable");
		_exit(0);
	}
	return result;
}

static void make_perf_event(void)
{
	struct perf_event_attr attributes = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK };
	available(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}
static void make_ring(void)
{
	struct io_uring_params parameters = { 0 };
	available(syscall(SYS_io_uring_setup, 4, &parameters));
}
static int make_userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int watch = available(syscall(SYS_userfaultfd, O_CLOEXEC));
	must(ioctl(watch, UFFDIO_API, &api));
	return watch;
}
static void make_watched_memory(void)
{
	int watch = make_userfault();
	struct uffdio_register area = { .range = { .len = 1 << 16 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	area.range.start = (uintptr_t)must(mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	must(ioctl(watch, UFFDIO_REGISTER, &area));
}
static void make_bpf_map(void)
{
	union bpf_attr attributes = { .map_type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	available(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}
static void ask_listener(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1001, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };
	close(must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
}

/* A tracer of `traced`, as a child of ours. */
static void trace(pid_t traced)
{
	int ends[2];
	char made;
	must(pipe2(ends, O_CLOEXEC));
	if (must(fork()) == 0) {
		must(ptrace(PTRACE_SEIZE, traced, 0, 0));
		must(write(ends[1], "x", 1));
		close(ends[0]);
		close(ends[1]);
		for (;;) pause();
	}
	must(read(ends[0], &made, 1));
	close(ends[0]);
	close(ends[1]);
}

static _Noreturn void sleep_forever(void)
{
	for (;;) pause();
}
static int sleeper(void *unused) { (void)unused; sleep_forever(); }
static void share_memory(void)
{
	static char stack[65536];
	must(clone(sleeper, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
}

/* Waits in one thread for a child that has its memory. */
static volatile pid_t waiter;
static void *wait_in_vfork(void *unused)
{
	waiter = gettid();
	if (vfork() == 0) for (;;) pause();
	return unused;
}
static char state_of(pid_t tid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int file = must(open(path, O_RDONLY));
	must(read(file, text, sizeof text - 1));
	close(file);
	return strrchr(text, ')')[2];
}
static void start_vfork(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, wait_in_vfork, NULL);
	while (waiter == 0 || state_of(waiter) != 'D') usleep(1000);
}

/* Its selector lets every call through. */
static void dispatch_calls(void)
{
	static char selector;
	available(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector));
}

static void make_socket(int family, int type, int protocol)
{
	available(socket(family, type, protocol));
}
/* What it has written waits for more. */
static void cork_datagrams(void)
{
	int on = 1, sender = must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(connect(sender, (struct sockaddr *)&to, sizeof to));
	must(setsockopt(sender, IPPROTO_UDP, UDP_CORK, &on, sizeof on));
	must(send(sender, "waits", 5, 0));
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";
	if (is(what, "perf")) make_perf_event();
	else if (is(what, "ring")) make_ring();
	else if (is(what, "userfault")) make_userfault();
	else if (is(what, "watched")) make_watched_memory();
	else if (is(what, "bpf")) make_bpf_map();
	else if (is(what, "seccomp")) ask_listener();
	else if (is(what, "traced")) trace(getpid());
	else if (is(what, "traced-child")) {
		pid_t child = must(fork());
		if (child == 0) sleep_forever();
		trace(child);
	}
	else if (is(what, "memory")) share_memory();
	else if (is(what, "vfork")) start_vfork();
	else if (is(what, "dispatch")) dispatch_calls();
	else if (is(what, "vsock")) make_socket(AF_VSOCK, SOCK_STREAM, 0);
	else if (is(what, "xdp")) make_socket(AF_XDP, SOCK_RAW, 0);
	else if (is(what, "multipath")) make_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	else if (is(what, "corked")) cork_datagrams();
	else if (is(what, "file")) must(write(must(open("kept", O_RDWR | O_CREAT, 0600)), "kept", 4));
	else fail("nobody knows %s", what);
	ready();
	wait_until_told();
	restored();
}
