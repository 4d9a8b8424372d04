// Resource limits: proc_pid_limits(5); fs/proc/base.c:proc_pid_limits. Unlike prlimit(2) it asks for no capability.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc } from "./read.js";

export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** RLIM64_INFINITY of include/uapi/linux/resource.h: what "unlimited" stands for. */
export const UNLIMITED = (1n << 64n) - 1n;

/** The kernel's names in the order of RLIMIT_*: include/uapi/asm-generic/resource.h. */
const NAMES = [
  "Max cpu time",
  "Max file size",
  "Max data size",
  "Max stack size",
  "Max core file size",
  "Max resident set",
  "Max processes",
  "Max open files",
  "Max locked memory",
  "Max address space",
  "Max file locks",
  "Max pending signals",
  "Max msgqueue size",
  "Max nice priority",
  "Max realtime priority",
  "Max realtime timeout",
] as const;

/** All 16 limits, index is RLIMIT_*; undefined: the process is gone (or a zombie, which has none left). */
export function readLimits(pid: Pid): Limit[] | undefined {
  const text = readProc(pid, "limits");
  return text === undefined || text === "" ? undefined : parseLimits(text);
}

/** The text of /proc/PID/limits. Throws ProcFormatError. */
export function parseLimits(text: string): Limit[] {
  const lines = text.split("\n");
  return NAMES.map((name) => {
    const line = lines.find((line) => line.startsWith(`${name} `));
    const [, soft, hard] = /^ +(\d+|unlimited) +(\d+|unlimited)(?: |$)/.exec(line?.slice(name.length) ?? "") ?? [];
    if (soft === undefined || hard === undefined)
      throw new ProcFormatError("limits", line ?? `no line "${name}" in ${text}`);
    return { soft: parseValue(soft), hard: parseValue(hard) };
  });
}

const parseValue = (word: string): bigint => (word === "unlimited" ? UNLIMITED : BigInt(word));
