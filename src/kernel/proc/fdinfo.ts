// What the kernel shows of one descriptor: proc_pid_fdinfo(5); fs/proc/fd.c:seq_show, then each file's own show_fdinfo.
import { asTargetFd, type Pid, type TargetFd } from "../brand.js";
import { statAt } from "../stat.js";
import { listProc, ProcFormatError, readProcLink, readProcRecord } from "./read.js";

export interface Fdinfo {
  readonly position: bigint;
  /** O_* of the open file description, and O_CLOEXEC of this descriptor. */
  readonly flags: number;
  readonly mountId: number;
  /** Shown since kernel 5.14. */
  readonly inode?: bigint;
  /**
   * The lines of the file's own kind, in order. "eventfd-count" has one value; "tfd", "inotify", "fanotify" and "lock" have
   * one for each line, everything after the word.
   */
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/** undefined: the process or the descriptor is gone. */
export function readFdinfo(pid: Pid, targetFd: TargetFd): Fdinfo | undefined {
  const text = readProcRecord(pid, `fdinfo/${targetFd}`);
  return text === undefined ? undefined : parseFdinfo(text);
}

/** The descriptors of a process, ascending; empty when it is gone. */
export function listFds(pid: Pid): TargetFd[] {
  return (listProc(pid, "fd") ?? []).map(asTargetFd);
}

/** How many there are; 0 when it is gone, and before kernel 6.2: fs/proc/fd.c, proc_fd_getattr(). */
export const countFds = (pid: Pid): number => Number(statAt(`/proc/${pid}/fd`)?.size ?? 0n);

/** What the descriptor is open on, as the kernel names it; undefined: it is gone. */
export function readFdLink(pid: Pid, targetFd: TargetFd): string | undefined {
  return readProcLink(pid, `fd/${targetFd}`);
}

/** The only value of a line such as "eventfd-count:", or the first of many. */
export function field(fdinfo: Fdinfo, name: string): string | undefined {
  return fdinfo.fields.get(name)?.[0];
}

/** "inotify wd:1 ino:..." and its like: a word, and then pairs. */
const RECORD = /^(inotify|fanotify) (.*)$/;

/** What most files have, and no more. */
const USUAL = ["pos:\t", "\nflags:\t", "\nmnt_id:\t", "\nino:\t"].map((label) => Buffer.from(label));
const OCTAL = 1;
/** As many digits are a number without loss. */
const MOST_DIGITS = 15;
const NO_FIELDS: ReadonlyMap<string, readonly string[]> = new Map();

/** Ten thousand files have ten thousand of these: undefined where it says more than usual. */
function parseUsual(text: Uint8Array): Fdinfo | undefined {
  const numbers: number[] = [];
  let at = 0;
  for (const label of USUAL) {
    for (let index = 0; index < label.byteLength; index++) if (text[at++] !== label[index]) return undefined;
    const base = numbers.length === OCTAL ? 8 : 10;
    const begin = at;
    let value = 0;
    for (let digit = digitIn(text, at); digit < base; digit = digitIn(text, ++at)) value = value * base + digit;
    if (at === begin || at - begin > MOST_DIGITS) return undefined;
    numbers.push(value);
  }
  if (text[at] !== NEWLINE || at + 1 !== text.byteLength) return undefined;
  const [position = 0, flags = 0, mountId = 0, inode = 0] = numbers;
  return { position: BigInt(position), flags, mountId, inode: BigInt(inode), fields: NO_FIELDS };
}
const NEWLINE = 10;
const ZERO = 48;
/** What is not a digit is too large for every base. */
const digitIn = (text: Uint8Array, at: number): number => ((text[at] ?? 0) - ZERO) >>> 0;

/** The bytes of /proc/PID/fdinfo/N. Throws ProcFormatError. */
export const fdinfoIn = (bytes: Buffer): Fdinfo => parseUsual(bytes) ?? parseFdinfo(bytes.toString("utf8"));

/** The text of /proc/PID/fdinfo/N. Throws ProcFormatError. */
export function parseFdinfo(text: string): Fdinfo {
  const fields = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [key, value] = splitLine(line);
    if (key === undefined) continue;
    const values = fields.get(key);
    if (values === undefined) fields.set(key, [value]);
    else values.push(value);
  }
  const take = (key: string, form: RegExp): string | undefined => {
    const value = fields.get(key)?.[0];
    fields.delete(key);
    if (value !== undefined && !form.test(value)) throw new ProcFormatError("fdinfo", `${key}: ${value}`);
    return value;
  };
  const position = take("pos", /^-?\d+$/);
  const flags = take("flags", /^[0-7]+$/);
  const mountId = take("mnt_id", /^-?\d+$/);
  const inode = take("ino", /^\d+$/);
  if (position === undefined || flags === undefined || mountId === undefined) throw new ProcFormatError("fdinfo", text);
  return {
    position: BigInt(position),
    flags: Number.parseInt(flags, 8),
    mountId: Number(mountId),
    ...(inode === undefined ? {} : { inode: BigInt(inode) }),
    fields,
  };
}

function splitLine(line: string): [key: string | undefined, value: string] {
  const record = RECORD.exec(line);
  if (record !== null) return [record[1], record[2] ?? ""];
  const colon = line.indexOf(":");
  if (colon === -1) return [line === "" ? undefined : line, ""];
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}
