// Reading /proc/PID: proc_pid(5). A process may vanish between any two reads, so "gone" is a value here, not an error.
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import type { Pid } from "../brand.js";
import { errno, SyscallError } from "../errno.js";

/** A file of /proc says something that its man page does not allow: a kernel that we do not know, or a mistake of ours. */
export class ProcFormatError extends Error {
  override readonly name = "ProcFormatError";

  constructor(
    /** As in the man page: "stat", "fdinfo". */
    readonly file: string,
    readonly found: string,
  ) {
    super(`/proc/PID/${file} is not understood: ${JSON.stringify(found.slice(0, 120))}`);
  }
}

/** Where the files of one thread are, for the functions of this file: "task/12/stat". */
export const threadFile = (tid: Pid, name: string): string => `task/${tid}/${name}`;

/** The bytes of /proc/PID/NAME; undefined: the process is gone. Throws SyscallError for anything else. */
export function readProcBytes(pid: Pid, name: string): Buffer | undefined {
  const path = `/proc/${pid}/${name}`;
  return unlessGone(path, () => {
    const fd = openSync(path, "r");
    try {
      return readAll(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/**
 * The text of /proc/PID/NAME; undefined: the process is gone. Names are bytes to the kernel; what is not UTF-8 in them
 * shows as U+FFFD. The ASCII of the format around them is never affected.
 */
export function readProc(pid: Pid, name: string): string | undefined {
  return readProcBytes(pid, name)?.toString("utf8");
}

/** Where the link /proc/PID/NAME points to, " (deleted)" included; undefined: the process or the descriptor is gone. */
export function readProcLink(pid: Pid, name: string): string | undefined {
  const path = `/proc/${pid}/${name}`;
  return unlessGone(path, () => readlinkSync(path));
}

/** The numbers that name the entries of a directory of /proc/PID (`fd`, `task`), ascending; undefined: the process is gone. */
export function listProc(pid: Pid, name: string): number[] | undefined {
  const path = `/proc/${pid}/${name}`;
  const entries = unlessGone(path, () => readdirSync(path));
  return entries?.map(Number).sort((a, b) => a - b);
}

// Not readFileSync: a seq_file gives one page a read, and readFileSync keeps 64 KiB for each.
function readAll(fd: number): Buffer {
  let buffer = Buffer.allocUnsafe(4096);
  let filled = 0;
  for (;;) {
    const count = readSync(fd, buffer, filled, buffer.length - filled, null);
    if (count === 0) return buffer.subarray(0, filled);
    filled += count;
    if (buffer.length - filled >= 4096) continue;
    const larger = Buffer.allocUnsafe(buffer.length * 2 + 4096);
    buffer.copy(larger, 0, 0, filled);
    buffer = larger;
  }
}

function unlessGone<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") throw error;
    const number = -error.errno;
    // ENOENT: the directory is gone already. ESRCH: it was open, the process went away under it.
    if (number === errno.ENOENT || number === errno.ESRCH) return undefined;
    const call = "syscall" in error && typeof error.syscall === "string" ? error.syscall : "open";
    throw new SyscallError(call, number, [JSON.stringify(path)]);
  }
}
