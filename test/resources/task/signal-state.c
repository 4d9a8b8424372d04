/* Signal actions of every kind, masks, and pending signals: queued with payload, of a thread, of the process, from a child, merged. */
#include "program.h"
#include <pthread.h>
#include <sys/syscall.h>

enum { QUEUED = 5 };
static sigset_t masks[2];
static pthread_barrier_t blocked, told;
static pid_t worker;
static int thread_payloads, mask_kept;

static void handler(int signal, siginfo_t *info, void *context) { (void)signal, (void)info, (void)context; }

static int take(int signal, siginfo_t *info)
{
	sigset_t set;
	struct timespec none = { 0, 0 };
	sigemptyset(&set);
	sigaddset(&set, signal);
	return sigtimedwait(&set, info, &none);
}

static int same_set(const sigset_t *a, const sigset_t *b)
{
	for (int signal = 1; signal <= 64; signal++) /* 32 and 33 are the C library's */
		if (signal != 32 && signal != 33 && signal != SIGKILL && signal != SIGSTOP && sigismember(a, signal) != sigismember(b, signal)) return 0;
	return 1;
}

static void *work(void *unused)
{
	sigset_t now;
	siginfo_t info;

	worker = gettid();
	pthread_sigmask(SIG_SETMASK, &masks[1], NULL);
	pthread_barrier_wait(&blocked);
	pthread_barrier_wait(&told);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	mask_kept = same_set(&now, &masks[1]);
	for (int i = 0; i < QUEUED; i++)
		if (take(SIGRTMIN + 4, &info) == SIGRTMIN + 4 && info.si_code == SI_QUEUE && info.si_value.sival_int == 900 + i) thread_payloads++;
	if (take(SIGHUP, &info) == SIGHUP && info.si_code == SI_USER /* glibc hides SI_TKILL */ && info.si_pid == getpid()) thread_payloads++;
	if (take(SIGRTMIN + 4, &info) != -1) thread_payloads = -1;
	return unused;
}

static void queue_to_thread(int signal, int value)
{
	siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	must(syscall(SYS_rt_tgsigqueueinfo, getpid(), worker, signal, &info));
}

static struct sigaction actions[65];
static void set_actions(void)
{
	int kinds[] = { SA_RESTART, SA_SIGINFO | SA_NODEFER, SA_ONSTACK | SA_RESETHAND, SA_SIGINFO | SA_NOCLDWAIT, SA_NOCLDSTOP | SA_RESTART };
	for (int signal = 1; signal <= 64; signal++) {
		if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33 || signal == SIGUSR2 || signal == SIGCHLD) continue;
		struct sigaction *action = &actions[signal];
		action->sa_flags = kinds[signal % 5];
		sigemptyset(&action->sa_mask);
		sigaddset(&action->sa_mask, signal % 31 + 1);
		sigaddset(&action->sa_mask, 64);
		if (signal % 7 == 0 || signal == SIGTRAP) action->sa_handler = SIG_IGN;
		else if (signal % 7 == 1) action->sa_handler = SIG_DFL;
		else action->sa_sigaction = handler;
		must(sigaction(signal, action, NULL));
		must(sigaction(signal, NULL, action)); /* as the kernel keeps it */
	}
}

static int same_actions(void)
{
	for (int signal = 1; signal <= 64; signal++) {
		struct sigaction now;
		if (signal == 32 || signal == 33 || signal == SIGUSR2 || signal == SIGCHLD || signal == SIGKILL || signal == SIGSTOP) continue;
		must(sigaction(signal, NULL, &now));
		if (now.sa_handler != actions[signal].sa_handler || now.sa_flags != actions[signal].sa_flags || !same_set(&now.sa_mask, &actions[signal].sa_mask)) return 0;
	}
	return 1;
}

int main(void)
{
	pthread_t thread;
	union sigval value;
	siginfo_t info;
	sigset_t now, pending;

	sigfillset(&masks[0]);
	sigdelset(&masks[0], SIGUSR2);
	sigdelset(&masks[0], SIGTERM);
	masks[1] = masks[0];
	sigaddset(&masks[1], SIGTERM);
	sigaddset(&masks[1], SIGUSR2);
	sigdelset(&masks[1], SIGWINCH);
	sigprocmask(SIG_SETMASK, &masks[0], NULL);
	sigprocmask(SIG_SETMASK, NULL, &masks[0]);
	set_actions();
	pthread_barrier_init(&blocked, NULL, 2);
	pthread_barrier_init(&told, NULL, 2);
	pthread_create(&thread, NULL, work, NULL);
	pthread_barrier_wait(&blocked);
	for (int i = 0; i < QUEUED; i++) {
		value.sival_int = 800 + i;
		must(sigqueue(getpid(), SIGRTMIN + 3, value));
		queue_to_thread(SIGRTMIN + 4, 900 + i);
	}
	value.sival_ptr = (void *)0x123456789abcdef0;
	must(sigqueue(getpid(), SIGRTMIN + 9, value));
	must(syscall(SYS_tgkill, getpid(), worker, SIGHUP));
	must(kill(getpid(), SIGINT));
	must(kill(getpid(), SIGINT)); /* merged */
	must(kill(getpid(), SIGTRAP));
	must(syscall(SYS_tgkill, getpid(), getpid(), SIGTRAP));
	pid_t child = must(fork());
	if (child == 0) _exit(33);
	while (sigpending(&pending) == 0 && !sigismember(&pending, SIGCHLD)) usleep(1000);
	ready();
	wait_until_told();

	pthread_barrier_wait(&told);
	pthread_join(thread, NULL);
	sigprocmask(SIG_SETMASK, NULL, &now);
	prove("masks", mask_kept && same_set(&now, &masks[0]));
	prove("actions", same_actions());
	prove("thread", thread_payloads == QUEUED + 1);
	int payloads = 0;
	for (int i = 0; i < QUEUED; i++)
		if (take(SIGRTMIN + 3, &info) == SIGRTMIN + 3 && info.si_code == SI_QUEUE && info.si_value.sival_int == 800 + i && info.si_pid == getpid() && info.si_uid == getuid()) payloads++;
	prove("process", payloads == QUEUED && take(SIGRTMIN + 3, &info) == -1);
	prove("pointer", take(SIGRTMIN + 9, &info) == SIGRTMIN + 9 && info.si_value.sival_ptr == (void *)0x123456789abcdef0);
	prove("merged", take(SIGINT, &info) == SIGINT && info.si_code == SI_USER && info.si_pid == getpid() && take(SIGINT, &info) == -1);
	prove("traps", take(SIGTRAP, &info) == SIGTRAP && take(SIGTRAP, &info) == SIGTRAP && info.si_code == SI_USER && info.si_pid == getpid() && take(SIGTRAP, &info) == -1);
	prove("child", take(SIGCHLD, &info) == SIGCHLD && info.si_code == CLD_EXITED && info.si_pid == child && info.si_status == 33 && take(SIGCHLD, &info) == -1);
	prove("nothing", sigpending(&pending) == 0 && sigisemptyset(&pending));
	restored();
}
