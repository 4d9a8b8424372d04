// Reading /proc/PID: proc_pid(5). A process may vanish between any two reads, so "gone" is a value here, not an error.
//
// Not by node's fs: each of its calls costs several times what the kernel takes, and a dump makes some for each descriptor.
import { readdirSync } from "node:fs";
import { O } from "../abi/fcntl.js";
import { AT_FDCWD, type Fd, type Pid } from "../brand.js";
import { errno, SyscallError, unless } from "../errno.js";
import { own } from "../own-fd.js";
import { sys } from "../syscalls.js";

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
  return withFile(pid, name, (file) => {
    const parts: Buffer[] = [];
    for (let count = fillScratch(file); count > 0; count = fillScratch(file)) parts.push(copyOfScratch(count));
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  });
}

/** The text of a file that the kernel makes as a whole (single_open()): less than what fits has its end with it. */
export function readProcRecord(pid: Pid, name: string): string | undefined {
  return withFile(pid, name, (file) => {
    const count = fillScratch(file);
    if (count < scratch.byteLength) return scratch.toString("utf8", 0, count);
    const parts = [copyOfScratch(count)];
    for (let more = fillScratch(file); more > 0; more = fillScratch(file)) parts.push(copyOfScratch(more));
    return Buffer.concat(parts).toString("utf8");
  });
}

/** One at a time is read into here. A seq_file gives one page a read. */
const scratch = Buffer.alloc(16384);
const fillScratch = (file: Fd): number => sys.read(file, scratch, scratch.byteLength);
const copyOfScratch = (count: number): Buffer => Buffer.from(scratch.subarray(0, count));

/** ENOENT: the directory is gone already. ESRCH: it was open, the process went away under it. */
const GONE = ["ENOENT", "ESRCH"] as const;

function withFile<T>(pid: Pid, name: string, use: (file: Fd) => T): T | undefined {
  return unless(GONE, () => {
    using file = own(sys.openat(AT_FDCWD, `/proc/${pid}/${name}`, O.O_CLOEXEC, 0));
    return use(file.fd);
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
  return unless(GONE, () => {
    const count = sys.readlinkat(AT_FDCWD, `/proc/${pid}/${name}`, scratch, scratch.byteLength);
    return scratch.toString("utf8", 0, count);
  });
}

/** The numbers that name the entries of a directory of /proc/PID (`fd`, `task`), ascending; undefined: the process is gone. */
export function listProc(pid: Pid, name: string): number[] | undefined {
  const path = `/proc/${pid}/${name}`;
  const entries = unlessGone(path, () => readdirSync(path));
  return entries?.map(Number).sort((a, b) => a - b);
}

function unlessGone<T>(path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "number") throw error;
    const number = -error.errno;
    if (number === errno.ENOENT || number === errno.ESRCH) return undefined;
    const call = "syscall" in error && typeof error.syscall === "string" ? error.syscall : "open";
    throw new SyscallError(call, number, [JSON.stringify(path)]);
  }
}
