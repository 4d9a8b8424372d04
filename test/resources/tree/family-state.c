/* Children in every state of life: stopped, ended in different ways, in groups and sessions whose leaders are gone, adopted. */
#include "program.h"
#include <sys/prctl.h>

enum { ENDED, KILLED, CRASHED, GROUP_ORPHAN, SESSION_ORPHAN, SECOND_ORPHAN, LEFT, STOPPED, STOPPED_BY_TTY, ADOPTED, KINDS };
static struct { volatile pid_t pid, leader; volatile int ticks; } *board;

static void tick(int kind)
{
	board[kind].pid = getpid();
	for (;;) {
		board[kind].ticks++;
		usleep(1000);
	}
}

/* A member of a group or session whose leader ends. */
static void orphan(int kind, int with_session)
{
	pid_t leader = must(fork());
	if (leader == 0) {
		if (with_session) must(setsid());
		else must(setpgid(0, 0));
		board[kind].leader = getpid();
		if (must(fork()) == 0) tick(kind);
		if (with_session && must(fork()) == 0) tick(SECOND_ORPHAN);
		_exit(0);
	}
	must(waitpid(leader, NULL, 0)); /* we are the subreaper of the member */
	while (board[kind].ticks == 0) usleep(1000);
}

/* A session whose leader lives below somebody, and one member of it that was left to us. */
static pid_t above;
static void left(void)
{
	if ((above = must(fork())) == 0) {
		if (must(fork()) == 0) {
			must(setsid());
			board[LEFT].leader = getpid();
			pid_t between = must(fork());
			if (between == 0) {
				if (must(fork()) == 0) tick(LEFT);
				_exit(0);
			}
			must(waitpid(between, NULL, 0));
			for (;;) pause();
		}
		for (;;) pause();
	}
	while (board[LEFT].ticks == 0) usleep(1000);
}

static int ticks_on(int kind)
{
	int before = board[kind].ticks;
	for (int i = 0; i < 5000 && board[kind].ticks < before + 3; i++) usleep(1000);
	return board[kind].ticks >= before + 3;
}
static int stands_still(int kind)
{
	int before = board[kind].ticks;
	usleep(30000);
	return board[kind].ticks == before;
}
static char state_of(pid_t pid)
{
	char path[32], text[512] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int file = must(open(path, O_RDONLY));
	must(read(file, text, sizeof text - 1));
	close(file);
	return strrchr(text, ')')[2];
}

int main(void)
{
	pid_t ended, killed, crashed;
	siginfo_t info;
	int status;

	board = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	if ((ended = must(fork())) == 0) _exit(77);
	if ((killed = must(fork())) == 0) raise(SIGKILL);
	if ((crashed = must(fork())) == 0) {
		must(prctl(PR_SET_DUMPABLE, 0));
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	for (int i = 0; i < 3; i++) must(waitid(P_PID, ((pid_t[]){ ended, killed, crashed })[i], &info, WEXITED | WNOWAIT));
	orphan(GROUP_ORPHAN, 0);
	orphan(SESSION_ORPHAN, 1);
	left();
	for (int kind = STOPPED; kind <= STOPPED_BY_TTY; kind++) {
		if (must(fork()) == 0) {
			must(setpgid(0, 0)); /* not orphaned: its parent is in another group of the session */
			tick(kind);
		}
		while (board[kind].ticks == 0) usleep(1000);
		must(kill(board[kind].pid, kind == STOPPED ? SIGSTOP : SIGTTIN));
		must(waitid(P_PID, board[kind].pid, &info, WSTOPPED | WNOWAIT));
	}
	pid_t between = must(fork());
	if (between == 0) {
		if (must(fork()) == 0) tick(ADOPTED);
		_exit(0);
	}
	must(waitpid(between, NULL, 0));
	while (board[ADOPTED].ticks == 0) usleep(1000);
	ready();
	wait_until_told();

	prove("stopped", state_of(board[STOPPED].pid) == 'T' && stands_still(STOPPED) && state_of(board[STOPPED_BY_TTY].pid) == 'T');
	prove("report", waitpid(board[STOPPED].pid, &status, WUNTRACED | WNOHANG) == board[STOPPED].pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	prove("signal", waitpid(board[STOPPED_BY_TTY].pid, &status, WUNTRACED | WNOHANG) == board[STOPPED_BY_TTY].pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	kill(board[STOPPED].pid, SIGCONT);
	kill(board[STOPPED_BY_TTY].pid, SIGCONT);
	prove("continued", ticks_on(STOPPED) && ticks_on(STOPPED_BY_TTY));
	prove("exit", waitpid(ended, &status, WNOHANG) == ended && WIFEXITED(status) && WEXITSTATUS(status) == 77);
	prove("killed", waitpid(killed, &status, WNOHANG) == killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	prove("crashed", waitpid(crashed, &status, WNOHANG) == crashed && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	prove("group", ticks_on(GROUP_ORPHAN) && getpgid(board[GROUP_ORPHAN].pid) == board[GROUP_ORPHAN].leader && getsid(board[GROUP_ORPHAN].pid) == getsid(0));
	prove("session", ticks_on(SESSION_ORPHAN) && getsid(board[SESSION_ORPHAN].pid) == board[SESSION_ORPHAN].leader && getpgid(board[SESSION_ORPHAN].pid) == board[SESSION_ORPHAN].leader);
	prove("second", ticks_on(SECOND_ORPHAN) && getsid(board[SECOND_ORPHAN].pid) == board[SESSION_ORPHAN].leader);
	prove("left", ticks_on(LEFT) && getsid(board[LEFT].pid) == board[LEFT].leader && board[LEFT].leader != 0);
	prove("leaders", kill(board[GROUP_ORPHAN].leader, 0) == -1 && errno == ESRCH && kill(board[SESSION_ORPHAN].leader, 0) == -1 && errno == ESRCH);
	prove("adopted", ticks_on(ADOPTED) && kill(board[ADOPTED].pid, SIGKILL) == 0 && waitpid(board[ADOPTED].pid, &status, 0) == board[ADOPTED].pid);
	for (int kind = GROUP_ORPHAN; kind < ADOPTED; kind++) kill(board[kind].pid, SIGKILL);
	for (int kind = GROUP_ORPHAN; kind < ADOPTED; kind++) must(waitpid(board[kind].pid, NULL, 0)); /* they are our children */
	kill(above, SIGKILL);
	must(waitpid(above, NULL, 0));
	kill(board[LEFT].leader, SIGKILL);
	must(waitpid(board[LEFT].leader, NULL, 0));
	prove("nobody", wait(NULL) == -1 && errno == ECHILD);
	restored();
}
