/* Sends real-time signals with payloads 1, 2, 3... to the process that is named, until it is told to end; says how many. */
#include "program.h"

int main(int count, char **words)
{
	int sent = 0;
	pid_t to = count > 1 ? atoi(words[1]) : 0;
	ready();
	while (!told_) {
		if (sigqueue(to, SIGRTMIN + 3, (union sigval){ .sival_int = sent + 1 }) == 0) sent++;
		else if (errno != EAGAIN) fail("sigqueue: %s", strerror(errno));
		usleep(100);
	}
	say("sent %d", sent);
	restored();
}
