// In what a thread sleeps, and since when: proc_pid_syscall(5), proc_pid_wchan(5), /proc/PID/sched of kernel/sched/debug.c.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc, threadFile } from "./read.js";

export interface SyscallAsShown {
  readonly number: number;
  readonly args: readonly bigint[];
}

/** The system call that a thread is in; undefined: none, or it runs, or it is gone. */
export function readSyscall(pid: Pid, tid: Pid): SyscallAsShown | undefined {
  const text = readProc(pid, threadFile(tid, "syscall"));
  return text === undefined ? undefined : parseSyscall(text);
}

/** The text of /proc/PID/syscall: number, six arguments, stack and instruction pointer. Throws ProcFormatError. */
export function parseSyscall(text: string): SyscallAsShown | undefined {
  if (text === "running\n" || /^-1 0x[0-9a-f]+ 0x[0-9a-f]+\n$/.test(text)) return undefined;
  const found = /^(\d+)((?: 0x[0-9a-f]+){8})\n$/.exec(text);
  if (found === null) throw new ProcFormatError("syscall", text);
  return { number: Number(found[1]), args: (found[2] ?? "").trim().split(" ").slice(0, 6).map(BigInt) };
}

/** The function of the kernel that a thread sleeps in; "0": none. */
export const readWchan = (pid: Pid, tid: Pid): string => readProc(pid, threadFile(tid, "wchan")) ?? "0";

/** When a thread was last on a processor, in nanoseconds of that processor's clock (run-clock.ts); undefined: it is gone, or the kernel does not tell. */
export function readLastRun(pid: Pid, tid: Pid): bigint | undefined {
  const text = readProc(pid, threadFile(tid, "sched"));
  return text === undefined ? undefined : parseLastRun(text);
}

/** The text of /proc/PID/sched: "se.exec_start : 15266033.731747", in milliseconds. */
export function parseLastRun(text: string): bigint | undefined {
  const [, ms, ns] = /^se\.exec_start\s*:\s*(\d+)\.(\d{6})$/m.exec(text) ?? [];
  return ms === undefined || ns === undefined ? undefined : BigInt(ms) * 1_000_000n + BigInt(ns);
}
