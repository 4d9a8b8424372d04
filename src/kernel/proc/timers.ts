// POSIX timers of a process: proc_pid_timers(5); fs/proc/base.c:show_timer. How long they have to run is known only inside.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc } from "./read.js";

export interface PosixTimer {
  readonly id: number;
  readonly signal: number;
  /** sigev_value. */
  readonly value: bigint;
  readonly notify: "signal" | "none" | "thread";
  /** Whom it tells: the process, or one thread (SIGEV_THREAD_ID). */
  readonly target: { readonly of: "process" | "thread"; readonly pid: number };
  /** clockid_t: a negative one is a CPU clock. */
  readonly clockId: number;
}

/** Ascending by id; undefined: the process is gone, or the kernel has no CONFIG_CHECKPOINT_RESTORE. */
export function readTimers(pid: Pid): PosixTimer[] | undefined {
  const text = readProc(pid, "timers");
  return text === undefined ? undefined : parseTimers(text);
}

const TIMER =
  /^ID: (\d+)\nsignal: (\d+)\/([0-9a-f]+)\nnotify: (signal|none|thread)\/([pt]id)\.(\d+)\nClockID: (-?\d+)\n$/;

/** The text of /proc/PID/timers. Throws ProcFormatError. */
export function parseTimers(text: string): PosixTimer[] {
  if (text === "") return [];
  const records = text.split(/^(?=ID: )/m);
  return records.map(parseTimer).sort((a, b) => a.id - b.id);
}

function parseTimer(record: string): PosixTimer {
  const [, id, signal, value, notify, of, pid, clockId] = TIMER.exec(record) ?? [];
  if (notify !== "signal" && notify !== "none" && notify !== "thread") throw new ProcFormatError("timers", record);
  return {
    id: Number(id),
    signal: Number(signal),
    value: BigInt(`0x${value}`),
    notify,
    target: { of: of === "tid" ? "thread" : "process", pid: Number(pid) },
    clockId: Number(clockId),
  };
}
