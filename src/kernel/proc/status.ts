// A task for people to read: proc_pid_status(5); fs/proc/array.c:proc_pid_status.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc, threadFile } from "./read.js";

/** Real, effective, saved, filesystem. */
export type Ids = readonly [real: number, effective: number, saved: number, filesystem: number];

export interface TaskStatus {
  readonly name: string;
  readonly umask: number;
  /** One letter, as in stat. */
  readonly state: string;
  readonly tgid: number;
  readonly ngid: number;
  readonly pid: number;
  readonly ppid: number;
  /** 0: nobody traces it. */
  readonly tracerPid: number;
  readonly uids: Ids;
  readonly gids: Ids;
  readonly groups: readonly number[];
  /** How many descriptors its table has room for. */
  readonly fdSize: number;
  /** Its pid in each pid namespace that it is in, ours first, its own last. */
  readonly nsPids: readonly number[];
  /** Kernel thread; shown since kernel 6.9. */
  readonly kthread?: boolean;
  readonly threads: number;
  /** Queued signals of its real uid, and their limit. */
  readonly sigQ: readonly [queued: number, limit: number];
  /** Signal sets: bit n-1 is signal n. */
  readonly sigPnd: bigint;
  readonly shdPnd: bigint;
  readonly sigBlk: bigint;
  readonly sigIgn: bigint;
  readonly sigCgt: bigint;
  readonly capInh: bigint;
  readonly capPrm: bigint;
  readonly capEff: bigint;
  readonly capBnd: bigint;
  readonly capAmb: bigint;
  readonly noNewPrivs: boolean;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number;
  /** Shown since kernel 5.9. */
  readonly seccompFilters?: number;
  /** Transparent huge pages are not disabled by prctl(2); absent: the task has no memory of its own (zombie). */
  readonly thpEnabled?: boolean;
  readonly coredumping: boolean;
  /** Private memory that is resident; 0: it has none of its own (zombie). */
  readonly rssAnonBytes: number;
  /** Private memory that is in swap space. */
  readonly swappedBytes: number;
  /** Locked into memory: mlock(2). */
  readonly lockedBytes: number;
}

/** Of the process; undefined: it is gone. */
export function readStatus(pid: Pid): TaskStatus | undefined {
  const text = readProc(pid, "status");
  return text === undefined ? undefined : parseStatus(text);
}

/** Of one thread; undefined: it is gone. */
export function readThreadStatus(pid: Pid, tid: Pid): TaskStatus | undefined {
  const text = readProc(pid, threadFile(tid, "status"));
  return text === undefined ? undefined : parseStatus(text);
}

/** Of one thread: 0 none, 1 strict, 2 filter; undefined: it is gone. For who wants no more: all of it takes ten times as long to read. */
export function readSeccompMode(pid: Pid, tid: Pid): number | undefined {
  const text = readProc(pid, threadFile(tid, "status"));
  if (text === undefined) return undefined;
  // Newlines in its name, the only line before that is not the kernel's own, are escaped.
  return Number(/^Seccomp:\t(\d+)$/m.exec(text)?.[1] ?? 0);
}

/** The text of /proc/PID/status. Throws ProcFormatError. */
export function parseStatus(text: string): TaskStatus {
  const rows = new Rows(text);
  const kthread = rows.optional("Kthread");
  const seccompFilters = rows.optional("Seccomp_filters");
  const thpEnabled = rows.optional("THP_enabled");
  return {
    name: unescapeName(rows.text("Name")),
    umask: Number.parseInt(rows.optional("Umask") ?? "0", 8),
    state: rows.text("State").slice(0, 1),
    tgid: rows.number("Tgid"),
    ngid: rows.number("Ngid", "0"),
    pid: rows.number("Pid"),
    ppid: rows.number("PPid"),
    tracerPid: rows.number("TracerPid"),
    uids: rows.ids("Uid"),
    gids: rows.ids("Gid"),
    groups: rows.numbers("Groups"),
    fdSize: rows.number("FDSize", "0"),
    nsPids: rows.numbers("NSpid"),
    threads: rows.number("Threads", "1"),
    sigQ: rows.pair("SigQ"),
    ...sets(rows),
    noNewPrivs: rows.number("NoNewPrivs", "0") === 1,
    seccomp: rows.number("Seccomp", "0"),
    coredumping: rows.number("CoreDumping", "0") === 1,
    rssAnonBytes: rows.kiB("RssAnon") * 1024,
    swappedBytes: rows.kiB("VmSwap") * 1024,
    lockedBytes: rows.kiB("VmLck") * 1024,
    ...(kthread === undefined ? {} : { kthread: kthread === "1" }),
    ...(seccompFilters === undefined ? {} : { seccompFilters: Number(seccompFilters) }),
    ...(thpEnabled === undefined ? {} : { thpEnabled: thpEnabled === "1" }),
  };
}

function sets(rows: Rows) {
  return {
    sigPnd: rows.set("SigPnd"),
    shdPnd: rows.set("ShdPnd"),
    sigBlk: rows.set("SigBlk"),
    sigIgn: rows.set("SigIgn"),
    sigCgt: rows.set("SigCgt"),
    capInh: rows.set("CapInh"),
    capPrm: rows.set("CapPrm"),
    capEff: rows.set("CapEff"),
    capBnd: rows.set("CapBnd"),
    capAmb: rows.set("CapAmb", "0"),
  };
}

/** Here, unlike in stat, newline and backslash of a name are escaped: lib/string_helpers.c, ESCAPE_SPACE | ESCAPE_SPECIAL. */
function unescapeName(name: string): string {
  const letters: Readonly<Record<string, string>> = { n: "\n", "\\": "\\" };
  return name.replace(/\\(.)/g, (whole, letter: string) => letters[letter] ?? whole);
}

/** "Key:\tvalue" lines. A key that occurs twice is the first one's: what follows cannot overrule it. */
class Rows {
  readonly #values = new Map<string, string>();

  constructor(readonly whole: string) {
    for (const line of whole.split("\n")) {
      const colon = line.indexOf(":");
      const key = line.slice(0, colon);
      // The name keeps its spaces: one tab is the kernel's, the rest is its own.
      const value = key === "Name" ? line.slice(colon + 2) : line.slice(colon + 1).trim();
      if (colon > 0 && !this.#values.has(key)) this.#values.set(key, value);
    }
  }

  optional(key: string): string | undefined {
    return this.#values.get(key);
  }

  text(key: string, absent?: string): string {
    const value = this.#values.get(key) ?? absent;
    if (value === undefined) throw new ProcFormatError("status", `no line ${key} in ${this.whole}`);
    return value;
  }

  number(key: string, absent?: string): number {
    return this.#number(key, this.text(key, absent));
  }

  /** "     1234 kB"; 0 without such a line. */
  kiB(key: string): number {
    return this.#number(key, this.text(key, "0 kB").replace(/ kB$/, ""));
  }

  numbers(key: string): number[] {
    const words = this.text(key, "").split(/\s+/);
    return words.filter((word) => word !== "").map((word) => this.#number(key, word));
  }

  ids(key: string): Ids {
    const [real, effective, saved, filesystem] = this.numbers(key);
    if (real === undefined || effective === undefined || saved === undefined || filesystem === undefined)
      throw this.#wrong(key);
    return [real, effective, saved, filesystem];
  }

  pair(key: string): readonly [number, number] {
    const [, first, second] = /^(\d+)\/(\d+)$/.exec(this.text(key)) ?? [];
    if (first === undefined || second === undefined) throw this.#wrong(key);
    return [Number(first), Number(second)];
  }

  set(key: string, absent?: string): bigint {
    const digits = this.text(key, absent);
    if (!/^[0-9a-f]{1,16}$/.test(digits)) throw this.#wrong(key);
    return BigInt(`0x${digits}`);
  }

  #number(key: string, word: string): number {
    if (!/^\d+$/.test(word)) throw this.#wrong(key);
    return Number(word);
  }

  #wrong(key: string): ProcFormatError {
    return new ProcFormatError("status", `${key}: ${this.text(key)}`);
  }
}
