/* Three threads, each with registers of its own in every register file of the processor, spinning in user mode until they are told. */
#include "program.h"
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { THREADS = 3, GENERAL = 8 };
struct state {
	uint64_t general[GENERAL], mask[8];
	uint8_t vectors[32][64];
	uint8_t x87[512] __attribute__((aligned(64)));
	uint64_t flags;
} __attribute__((aligned(64)));

static volatile int go, spinning;
static struct state wanted[THREADS], found[THREADS];
static uint64_t fs_value[THREADS], gs_base[THREADS];
static __thread uint64_t thread_local;
static int has_avx, has_avx512;

#define VECTOR(n) "vmovdqu64 " #n "*64(%%rbx), %%zmm" #n "\n"
#define STORE(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%%rbx)\n"
#define ALL32(x) x(0)x(1)x(2)x(3)x(4)x(5)x(6)x(7)x(8)x(9)x(10)x(11)x(12)x(13)x(14)x(15)x(16)x(17)x(18)x(19)x(20)x(21)x(22)x(23)x(24)x(25)x(26)x(27)x(28)x(29)x(30)x(31)
#define YMM(n) "vmovdqu " #n "*64(%%rbx), %%ymm" #n "\n"
#define YMM_STORE(n) "vmovdqu %%ymm" #n ", " #n "*64(%%rbx)\n"
#define XMM(n) "movdqu " #n "*64(%%rbx), %%xmm" #n "\n"
#define XMM_STORE(n) "movdqu %%xmm" #n ", " #n "*64(%%rbx)\n"
#define ALL16(x) x(0)x(1)x(2)x(3)x(4)x(5)x(6)x(7)x(8)x(9)x(10)x(11)x(12)x(13)x(14)x(15)
#define MASK(n) "kmovw " #n "*8(%%rbx), %%k" #n "\n"
#define MASK_STORE(n) "kmovw %%k" #n ", " #n "*8(%%rbx)\n"
#define ALL8(x) x(0)x(1)x(2)x(3)x(4)x(5)x(6)x(7)

static void put_vectors(struct state *s)
{
	if (has_avx512) {
		asm volatile(ALL32(VECTOR) : : "b"(s->vectors) : "memory");
		asm volatile(ALL8(MASK) : : "b"(s->mask) : "memory");
	} else if (has_avx)
		asm volatile(ALL16(YMM) : : "b"(s->vectors) : "memory");
	else
		asm volatile(ALL16(XMM) : : "b"(s->vectors) : "memory");
}

static void take_vectors(struct state *s)
{
	if (has_avx512) {
		asm volatile(ALL32(STORE) : : "b"(s->vectors) : "memory");
		asm volatile(ALL8(MASK_STORE) : : "b"(s->mask) : "memory");
	} else if (has_avx)
		asm volatile(ALL16(YMM_STORE) : : "b"(s->vectors) : "memory");
	else
		asm volatile(ALL16(XMM_STORE) : : "b"(s->vectors) : "memory");
}

/* rbx, rcx, rsi, rdi and r8 to r15 but two are loaded; rax reads the flag, DF is set. */
static void spin(struct state *in, struct state *out)
{
	asm volatile("push %%rbp\n"
		     "push %[out]\n"
		     "mov %[in], %%rbp\n"
		     "mov 0(%%rbp), %%rcx\n mov 8(%%rbp), %%rsi\n mov 16(%%rbp), %%r8\n mov 24(%%rbp), %%r9\n"
		     "mov 32(%%rbp), %%r12\n mov 40(%%rbp), %%r13\n mov 48(%%rbp), %%r14\n mov 56(%%rbp), %%r15\n"
		     "lock incl %[spinning]\n"
		     "std\n"
		     "1: pause\n cmpl $0, %[go]\n je 1b\n"
		     "pushf\n pop %%rax\n cld\n"
		     "pop %%rbp\n"
		     "mov %%rcx, 0(%%rbp)\n mov %%rsi, 8(%%rbp)\n mov %%r8, 16(%%rbp)\n mov %%r9, 24(%%rbp)\n"
		     "mov %%r12, 32(%%rbp)\n mov %%r13, 40(%%rbp)\n mov %%r14, 48(%%rbp)\n mov %%r15, 56(%%rbp)\n"
		     "mov %%rax, %c[flags](%%rbp)\n"
		     "pop %%rbp\n"
		     :
		     : [in] "d"(in), [out] "D"(out), [go] "m"(go), [spinning] "m"(spinning), [flags] "i"(offsetof(struct state, flags))
		     : "rax", "rcx", "rsi", "r8", "r9", "r12", "r13", "r14", "r15", "memory", "cc");
}

static void fill(struct state *s, int thread)
{
	for (unsigned i = 0; i < sizeof s->vectors; i++) s->vectors[i / 64][i % 64] = (i * 7 + thread * 31 + 1) & 0xff;
	for (int i = 0; i < GENERAL; i++) s->general[i] = 0x1111111111111111ull * (i + 1) + thread;
	for (int i = 0; i < 8; i++) s->mask[i] = (0x1357 << i) & 0xffff ^ thread;
}

static void *work(void *number)
{
	int thread = (int)(intptr_t)number;
	struct state *in = &wanted[thread], *out = &found[thread];
	uint32_t mxcsr = 0x1f80 | (thread + 1) << 13; /* rounding down, up, to zero */
	uint16_t control = 0x037f & ~0x0300;

	fill(in, thread);
	thread_local = 4700 + thread;
	must(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x10000000ul + thread * 0x1000));
	asm volatile("fldcw %0" : : "m"(control));
	for (int i = 0; i < 6; i++) {
		double value = i * 1.5 + thread;
		asm volatile("fldl %0" : : "m"(value));
	}
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	asm volatile("fxsave64 (%0)" : : "r"(in->x87) : "memory");
	put_vectors(in);
	spin(in, out);
	take_vectors(out);
	asm volatile("fxsave64 (%0)" : : "r"(out->x87) : "memory");
	asm volatile("fninit");
	asm volatile("ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
	fs_value[thread] = thread_local;
	must(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs_base[thread]));
	return NULL;
}

static int same(size_t offset, size_t length)
{
	for (int i = 0; i < THREADS; i++)
		if (memcmp((char *)&wanted[i] + offset, (char *)&found[i] + offset, length) != 0) return 0;
	return 1;
}

/* Per vector the bytes from..to: xmm 0..16, ymm 16..32, zmm 32..64. */
static int same_vectors(int count, int from, int to)
{
	int equal = 1;
	for (int i = 0; i < count; i++)
		equal &= same(offsetof(struct state, vectors) + i * 64 + from, to - from);
	return equal;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct user_desc area = { .entry_number = -1, .base_addr = 0x12345000, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };

	has_avx = __builtin_cpu_supports("avx");
	has_avx512 = __builtin_cpu_supports("avx512f");
	int has_areas = syscall(SYS_set_thread_area, &area) == 0;
	for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	while (spinning < THREADS) usleep(1000);
	ready();
	wait_until_told();
	go = 1;
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);

	prove("general", same(0, sizeof wanted[0].general));
	int flags = 1;
	for (int i = 0; i < THREADS; i++) flags &= (found[i].flags & 0x400) != 0;
	prove("flags", flags);
	prove("x87", same(offsetof(struct state, x87), 8) && same(offsetof(struct state, x87) + 32, 128));
	prove("mxcsr", same(offsetof(struct state, x87) + 24, 4));
	prove("sse", same_vectors(16, 0, 16));
	prove("avx", !has_avx || same_vectors(16, 16, 32));
	prove("avx512", !has_avx512 || (same_vectors(16, 32, 64) && same_vectors(32, 0, 64)));
	prove("mask", !has_avx512 || same(offsetof(struct state, mask), sizeof wanted[0].mask));
	int fs = 1, gs = 1;
	for (int i = 0; i < THREADS; i++) {
		fs &= fs_value[i] == 4700u + i;
		gs &= gs_base[i] == 0x10000000ul + i * 0x1000;
	}
	prove("fs", fs);
	prove("gs", gs);
	struct user_desc now = { .entry_number = area.entry_number };
	prove("areas", !has_areas || (syscall(SYS_get_thread_area, &now) == 0 && now.base_addr == area.base_addr && now.limit == area.limit && now.seg_32bit && now.limit_in_pages));
	restored();
}
