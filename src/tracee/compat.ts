// 32-bit code on this kernel (CONFIG_IA32_EMULATION). What code a thread runs is told by its code segment, which ptrace(2) can change: our stub is
// 64-bit code in every thread, makes 64-bit calls, and the signal frame that leads home gives the old segment back.
import type { Registers } from "./tracee.js";

/** arch/x86/include/asm/segment.h: __USER_CS, __USER32_CS, __USER_DS. */
export const USER_CS = 0x33n;
export const USER32_CS = 0x23n;
const USER_DS = 0x2bn;

/** Numbers of calls that only 32-bit code has, or that mean something else there: arch/x86/entry/syscalls/syscall_32.tbl. */
export const compatNumber = { rt_sigaction: 174, set_robust_list: 311, get_robust_list: 312 } as const;

export const runsCompatCode = ({ cs }: Pick<Registers, "cs">): boolean => cs === USER32_CS;

/** The registers of a thread that runs 64-bit code from now on. */
export function inLongMode(registers: Registers): Registers {
  return runsCompatCode(registers) ? { ...registers, cs: USER_CS, ss: USER_DS } : registers;
}
