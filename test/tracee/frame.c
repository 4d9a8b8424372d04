/* Writes the signal frame that the kernel made into the file `frame`: the ucontext, then the floating-point state. Says its registers by name. */
#include "program.h"
#include <ucontext.h>

static void note(int signal, siginfo_t *info, void *context)
{
	static const struct { const char *name; int index; } registers[] = {
		{ "r8", REG_R8 }, { "r9", REG_R9 }, { "r10", REG_R10 }, { "r11", REG_R11 }, { "r12", REG_R12 }, { "r13", REG_R13 },
		{ "r14", REG_R14 }, { "r15", REG_R15 }, { "di", REG_RDI }, { "si", REG_RSI }, { "bp", REG_RBP }, { "bx", REG_RBX },
		{ "dx", REG_RDX }, { "ax", REG_RAX }, { "cx", REG_RCX }, { "sp", REG_RSP }, { "ip", REG_RIP }, { "flags", REG_EFL },
		{ "segments", REG_CSGSFS },
	};
	ucontext_t *frame = context;
	uint32_t extended_size;
	(void)signal, (void)info;
	memcpy(&extended_size, (char *)frame->uc_mcontext.fpregs + 468, 4);
	int file = must(open("frame", O_WRONLY | O_CREAT, 0600));
	must(write(file, frame, 304));
	must(write(file, frame->uc_mcontext.fpregs, extended_size));
	for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++)
		say("%s %llu", registers[i].name, frame->uc_mcontext.gregs[registers[i].index]);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	sigset_t set;
	double values[] = { 1.5, 2.5, 3.5 };
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGRTMAX);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	must(sigaction(SIGUSR1, &action, NULL));
	asm volatile("movupd %0, %%xmm5" : : "m"(values));
	must(kill(getpid(), SIGUSR1));
	ready();
	wait_until_told();
	restored();
}
