// One line about a task: proc_pid_stat(5); fs/proc/array.c:do_task_stat.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc, threadFile } from "./read.js";

export interface TaskStat {
  readonly pid: number;
  /** Up to 15 bytes; may hold anything but NUL. */
  readonly comm: string;
  /** One letter: R, S, D, T (stopped), t (traced), Z, X, I. */
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** Device number of the controlling terminal; 0: none. */
  readonly ttyNr: number;
  /** Foreground process group of that terminal; -1: none. */
  readonly tpgid: number;
  /** PF_* of include/linux/sched.h. */
  readonly flags: number;
  readonly nice: number;
  readonly numThreads: number;
  /** In clock ticks since boot. */
  readonly startTime: bigint;
  readonly startCode: bigint;
  readonly endCode: bigint;
  readonly startStack: bigint;
  readonly exitSignal: number;
  /** The one that it was last on. */
  readonly processor: number;
  readonly rtPriority: number;
  /** SCHED_* of sched(7). */
  readonly policy: number;
  readonly startData: bigint;
  readonly endData: bigint;
  readonly startBrk: bigint;
  readonly argStart: bigint;
  readonly argEnd: bigint;
  readonly envStart: bigint;
  readonly envEnd: bigint;
  /** In the form of waitpid(2). */
  readonly exitCode: number;
}

/** Of the process; undefined: it is gone. Addresses and exit code are 0 for who may not ptrace it. */
export function readStat(pid: Pid): TaskStat | undefined {
  const text = readProc(pid, "stat");
  return text === undefined ? undefined : parseStat(text);
}

/** Of one thread; undefined: it is gone. */
export function readThreadStat(pid: Pid, tid: Pid): TaskStat | undefined {
  const text = readProc(pid, threadFile(tid, "stat"));
  return text === undefined ? undefined : parseStat(text);
}

/** The fields after the name, by their number in the man page. */
const FIRST_FIELD = 3;

/** The text of /proc/PID/stat. Throws ProcFormatError. */
export function parseStat(text: string): TaskStat {
  // The name is written as it is and may hold ")", spaces and newlines; after it come only a letter and numbers.
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text
    .slice(close + 2)
    .trimEnd()
    .split(" ");
  if (open < 1 || close < open || fields.length < 50) throw new ProcFormatError("stat", text);
  const wide = (number: number): bigint => {
    const field = fields[number - FIRST_FIELD] ?? "";
    if (!/^-?\d+$/.test(field)) throw new ProcFormatError("stat", text);
    return BigInt(field);
  };
  const word = (number: number) => Number(wide(number));
  return {
    pid: Number.parseInt(text, 10),
    comm: text.slice(open + 1, close),
    state: fields[0] ?? "",
    ppid: word(4),
    pgrp: word(5),
    session: word(6),
    ttyNr: word(7),
    tpgid: word(8),
    flags: word(9),
    nice: word(19),
    numThreads: word(20),
    startTime: wide(22),
    startCode: wide(26),
    endCode: wide(27),
    startStack: wide(28),
    exitSignal: word(38),
    processor: word(39),
    rtPriority: word(40),
    policy: word(41),
    startData: wide(45),
    endData: wide(46),
    startBrk: wide(47),
    argStart: wide(48),
    argEnd: wide(49),
    envStart: wide(50),
    envEnd: wide(51),
    exitCode: word(52),
  };
}
