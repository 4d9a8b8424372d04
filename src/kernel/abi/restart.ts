// System calls that go on by restart_syscall(2) when a stop is over, with what is left of their time: signal(7), kernel/signal.c.
// Numbers: arch/x86/entry/syscalls/syscall_64.tbl.

/** Calls whose time the kernel keeps for itself, relative as it was given. */
export const RESTARTED = { poll: 7, nanosleep: 35, futex: 202, clock_nanosleep: 230 } as const;
export const RESTART_SYSCALL = 219;
export const TIMER_ABSTIME = 1n;
/** include/uapi/linux/futex.h: what is no command in the second argument of futex(2), and the command that takes a relative time. */
export const FUTEX_FLAGS = 128n | 256n;
export const FUTEX_WAIT = 0n;
