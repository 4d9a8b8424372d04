// What the kernel shows of one descriptor: proc_pid_fdinfo(5); fs/proc/fd.c:seq_show, then each file's own show_fdinfo.
import { asTargetFd, type Pid, type TargetFd } from "../brand.js";
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
const USUAL = /^pos:\t(-?\d+)\nflags:\t([0-7]+)\nmnt_id:\t(-?\d+)\nino:\t(\d+)\n$/;
const NO_FIELDS: ReadonlyMap<string, readonly string[]> = new Map();

/** The text of /proc/PID/fdinfo/N. Throws ProcFormatError. */
export function parseFdinfo(text: string): Fdinfo {
  const [, pos, octal, mount, ino] = USUAL.exec(text) ?? [];
  if (pos !== undefined && octal !== undefined && mount !== undefined && ino !== undefined)
    return {
      position: BigInt(pos),
      flags: Number.parseInt(octal, 8),
      mountId: Number(mount),
      inode: BigInt(ino),
      fields: NO_FIELDS,
    };
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
