// Files of /proc/PID that hold one number: proc_pid_loginuid(5), proc_pid_oom_score_adj(5), proc_pid_coredump_filter(5), proc_pid_personality(5), proc_pid_timerslack_ns(5), proc_pid_autogroup(5).
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc } from "./read.js";

/** loginuid of a process that nobody logged in: (uid_t) -1. */
export const NO_LOGINUID = 0xffffffff;

/** undefined: the process is gone, or the kernel has no audit. */
export function readLoginuid(pid: Pid): number | undefined {
  return readNumber(pid, "loginuid", 10);
}

/** -1000 to 1000. */
export function readOomScoreAdj(pid: Pid): number | undefined {
  return readNumber(pid, "oom_score_adj", 10);
}

/** Bits of core(5); undefined: the process is gone, or has no memory. */
export function readCoredumpFilter(pid: Pid): number | undefined {
  return readNumber(pid, "coredump_filter", 16);
}

/** personality(2). */
export function readPersonality(pid: Pid): number | undefined {
  return readNumber(pid, "personality", 16);
}

/** Of one thread, in nanoseconds; 0 for a real-time policy. */
export function readTimerSlack(tid: Pid): bigint | undefined {
  const text = readProc(tid, "timerslack_ns");
  if (text === undefined) return undefined;
  if (!/^\d+\n$/.test(text)) throw new ProcFormatError("timerslack_ns", text);
  return BigInt(text);
}

/** The nice value of the group of its session: sched(7); undefined: the process is gone, or the kernel groups nothing. */
export function readAutogroupNice(pid: Pid): number | undefined {
  const text = readProc(pid, "autogroup");
  return text === undefined || text === "" ? undefined : parseAutogroup(text);
}

/** The text of /proc/PID/autogroup: "/autogroup-1963 nice 0". Throws ProcFormatError. */
export function parseAutogroup(text: string): number {
  const [, nice] = /^\/autogroup-\d+ nice (-?\d+)\n$/.exec(text) ?? [];
  if (nice === undefined) throw new ProcFormatError("autogroup", text);
  return Number(nice);
}

/** A number alone in a file; undefined for an empty one. Throws ProcFormatError. */
export function parseNumber(file: string, text: string, radix: 10 | 16): number | undefined {
  const word = text.trim();
  if (word === "") return undefined;
  if (!(radix === 16 ? /^[0-9a-f]+$/ : /^-?\d+$/).test(word)) throw new ProcFormatError(file, text);
  return Number.parseInt(word, radix);
}

function readNumber(pid: Pid, file: string, radix: 10 | 16): number | undefined {
  const text = readProc(pid, file);
  return text === undefined ? undefined : parseNumber(file, text, radix);
}
