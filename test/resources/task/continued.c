/* Two stopped children, and a parent that waits until one of them is continued, then until it ends. */
#include "program.h"

int main(void)
{
	pid_t children[2];
	int status;
	for (int i = 0; i < 2; i++) {
		if ((children[i] = must(fork())) == 0) for (;;) pause();
		must(kill(children[i], SIGSTOP));
		must(waitpid(children[i], &status, WUNTRACED));
	}
	say("children %d %d", children[0], children[1]);
	ready();
	expect(waitpid(-1, &status, WCONTINUED) == children[1] && WIFCONTINUED(status));
	must(kill(children[1], SIGTERM));
	expect(waitpid(-1, &status, 0) == children[1] && WTERMSIG(status) == SIGTERM);
	must(kill(children[0], SIGKILL));
	restored();
}
