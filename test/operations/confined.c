/* Children under seccomp that work without a pause; what a dump has them call would kill them. As busy.c: beats are counted in a file. */
#include "program.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { STRICT, NARROW, PARENT };
static volatile uint64_t *beats;

static void confine(int worker)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 6, code };
	if (worker == STRICT) must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	else must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Adds up what it is told, in registers and memory, and says the sum. */
static void work(int worker, int from, int to)
{
	uint64_t number, sum = 0;
	confine(worker);
	while (read(from, &number, sizeof number) == sizeof number) {
		for (int i = 0; i < 20000; i++) sum += number ^ i;
		if (write(to, &sum, sizeof sum) != sizeof sum) break;
		beats[worker]++;
	}
	syscall(SYS_exit, 0);
}

int main(void)
{
	int to[2][2], from[2][2];
	uint64_t sums[2] = { 0, 0 }, number = 0, sum;
	int said = 0, file = must(open("beats", O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	must(ftruncate(file, 4096));
	beats = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	for (int worker = STRICT; worker <= NARROW; worker++) {
		must(pipe(to[worker]));
		must(pipe(from[worker]));
		if (must(fork()) == 0) work(worker, to[worker][0], from[worker][1]);
		close(from[worker][1]);
	}
	while (!told_) {
		number++;
		for (int worker = STRICT; worker <= NARROW; worker++) {
			expect(write(to[worker][1], &number, sizeof number) == sizeof number);
			expect(read(from[worker][0], &sum, sizeof sum) == sizeof sum);
			for (int i = 0; i < 20000; i++) sums[worker] += number ^ i;
			expect(sum == sums[worker]);
		}
		beats[PARENT]++;
		if (number >= 3 && !said++) ready();
	}
	restored();
}
