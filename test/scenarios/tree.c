// A tree of 57 processes in three levels and two sessions, with zombies, a pipe and memory that all share. Told to (SIGUSR2), the root
// asks every one of them for a sign of life through the pipe and checks what it shares with them.
#include "program.h"
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { BRANCHES = 7, LEAVES = 6, ZOMBIES = 7, LIVING = BRANCHES + BRANCHES * LEAVES };
static volatile uint32_t *shared;
static int pipe_ends[2];

static void leaf(int number) {
	sigset_t set;
	int signal;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	shared[number] = 1000 + number;
	for (;;) {
		sigwait(&set, &signal);
		uint32_t sign = number + (getsid(0) == getpgrp() ? 0 : 1u << 16);
		must(write(pipe_ends[1], &sign, sizeof(sign)) == sizeof(sign));
	}
}

static void branch(int number) {
	if (number % 2)
		must(setsid() > 0);
	for (int i = 0; i < LEAVES; i++)
		if (must(fork()) == 0)
			leaf(BRANCHES + number * LEAVES + i);
	if (must(fork()) == 0)
		_exit(40 + number);
	leaf(number);
}

int main(void) {
	sigset_t set;
	uint32_t sign, seen[LIVING] = {0};
	pid_t branches[BRANCHES];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	shared = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(pipe(pipe_ends));
	for (int i = 0; i < BRANCHES; i++)
		if ((branches[i] = must(fork())) == 0)
			branch(i);
	for (int i = 0; i < LIVING; i++)
		while (shared[i] != 1000u + i)
			usleep(1000);
	must(write(pipe_ends[1], "left", 4) == 4);
	ready();
	wait_until_told();

	must(read(pipe_ends[0], &sign, sizeof(sign)) == sizeof(sign));
	expect(memcmp(&sign, "left", 4) == 0);
	for (int i = 0; i < LIVING; i++)
		expect(shared[i] == 1000u + i);
	for (int i = 0; i < BRANCHES; i++) {
		char path[64], children[512] = "", *rest = children;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", branches[i], branches[i]);
		FILE *file = fopen(path, "r");
		expect(file && fgets(children, sizeof(children), file));
		fclose(file);
		expect(kill(branches[i], SIGUSR1) == 0);
		for (int count = 0; count < LEAVES; count++)
			expect(kill(strtol(rest, &rest, 10), SIGUSR1) == 0);
	}
	for (int i = 0; i < LIVING; i++) {
		must(read(pipe_ends[0], &sign, sizeof(sign)) == sizeof(sign));
		seen[sign & 0xffff]++;
	}
	for (int i = 0; i < LIVING; i++)
		expect(seen[i] == 1);
	restored();
	return 0;
}
