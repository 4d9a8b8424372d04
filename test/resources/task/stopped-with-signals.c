/* Stopped processes with signals that wait for them to be continued, and a running one that has SIGCONT blocked and pending. */
#include "program.h"

enum { HANDLES, DIES, BLOCKS, KINDS };
static struct { volatile pid_t pid; volatile int seen[4], count, ticks, continued; } *board;
static int self;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	if (board[self].count < 4) board[self].seen[board[self].count] = info->si_value.sival_int;
	board[self].count++;
}
static void on_continue(int signal) { (void)signal; board[self].continued++; }

static void live(int kind)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	sigset_t set;
	self = kind;
	must(sigaction(SIGRTMIN + 1, &action, NULL));
	signal(SIGCONT, on_continue);
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	if (kind == BLOCKS) sigprocmask(SIG_BLOCK, &set, NULL);
	board[kind].pid = getpid();
	for (;;) {
		board[kind].ticks++;
		if (kind == BLOCKS && board[kind].seen[3]) sigprocmask(SIG_UNBLOCK, &set, NULL);
		usleep(1000);
	}
}
static int runs(int kind)
{
	int before = board[kind].ticks;
	for (int i = 0; i < 5000 && board[kind].ticks < before + 3; i++) usleep(1000);
	return board[kind].ticks >= before + 3;
}

int main(void)
{
	siginfo_t info;
	int status;
	board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int kind = 0; kind < KINDS; kind++)
		if (must(fork()) == 0) live(kind);
	for (int kind = 0; kind < KINDS; kind++)
		while (board[kind].ticks == 0) usleep(1000);
	for (int kind = HANDLES; kind <= DIES; kind++) {
		must(kill(board[kind].pid, SIGSTOP));
		must(waitid(P_PID, board[kind].pid, &info, WSTOPPED));
	}
	for (int i = 1; i <= 3; i++) must(sigqueue(board[HANDLES].pid, SIGRTMIN + 1, (union sigval){ .sival_int = i }));
	must(kill(board[DIES].pid, SIGTERM));
	must(kill(board[BLOCKS].pid, SIGCONT));
	ready();
	wait_until_told();

	int before = board[HANDLES].ticks;
	usleep(20000);
	prove("still", board[HANDLES].ticks == before && board[HANDLES].count == 0);
	prove("held", waitpid(board[DIES].pid, &status, WNOHANG) == 0);
	must(kill(board[HANDLES].pid, SIGCONT));
	prove("handled", runs(HANDLES) && board[HANDLES].count == 3 && board[HANDLES].seen[0] == 1 && board[HANDLES].seen[1] == 2 && board[HANDLES].seen[2] == 3);
	must(kill(board[DIES].pid, SIGCONT));
	prove("deadly", waitpid(board[DIES].pid, &status, 0) == board[DIES].pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	int early = board[BLOCKS].continued;
	board[BLOCKS].seen[3] = 1;
	prove("blocked", early == 0 && runs(BLOCKS) && board[BLOCKS].continued == 1);
	kill(board[HANDLES].pid, SIGKILL);
	kill(board[BLOCKS].pid, SIGKILL);
	restored();
}
