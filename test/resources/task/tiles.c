/* The tiles of AMX: a thread that has data in one, and a process that may use them and does not now. "busy" or "idle". */
#include "program.h"
#include <sys/syscall.h>

enum { ROWS = 16, ROW_BYTES = 64, ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
static struct __attribute__((packed)) { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } config = {
	.palette = 1, .row_bytes = { ROW_BYTES }, .rows = { ROWS },
};
static uint8_t data[ROWS][ROW_BYTES], stored[ROWS][ROW_BYTES];

static __attribute__((target("amx-tile"))) void load(void)
{
	asm volatile("ldtilecfg %0" : : "m"(config));
	asm volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(data), "r"((long)ROW_BYTES) : "memory");
}
static __attribute__((target("amx-tile"))) void store(void) { asm volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(stored), "r"((long)ROW_BYTES) : "memory"); }

int main(int argc, char **argv)
{
	expect(argc == 2);
	int busy = strcmp(argv[1], "busy") == 0;
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0) {
		say("not here: the tiles of AMX");
		ready();
		return 0;
	}
	for (unsigned i = 0; i < sizeof data; i++) ((uint8_t *)data)[i] = i * 7 + 1;
	load();
	if (!busy) asm volatile("tilerelease");
	say("ready");
	/* No signal, for which the kernel itself would save the tiles. */
	while (access("told", F_OK) != 0) {}
	if (!busy) load();
	store();
	expect(memcmp(data, stored, sizeof data) == 0);
	restored();
}
