// The fdinfo of many descriptors: proc_pid_fdinfo(5), each call made for many of them in one step (batch.ts).
//
// One takes the kernel 6 us. Most files have nothing to tell there but position and flags, which calls of 0.1 us tell too: when the caller knows the rest
// (QuickLook), theirs is not read.
import { statfsSync } from "node:fs";
import { O, SEEK_CUR } from "../abi/fcntl.js";
import { type PreparedCall, prepared, RepeatedCalls } from "../batch.js";
import { asFd, type Fd, type Pid, type TargetFd } from "../brand.js";
import { closeAll } from "../own-fd.js";
import type { Stat } from "../stat.js";
import { type Fdinfo, fdinfoIn, readFdinfo } from "./fdinfo.js";
import type { LockedInodes } from "./locks.js";

/** What is known of a process with very many descriptors. */
export interface QuickLook {
  readonly closeOnExec: ReadonlySet<TargetFd>;
  /** Files on which somebody holds a lock or a lease. */
  readonly locked: Pick<LockedInodes, "areKnown" | "has">;
}

/** A descriptor of which the fdinfo is wanted. */
export interface Described {
  readonly targetFd: TargetFd;
  /** Ours, for the same open file description. */
  readonly duplicate: Fd;
  /** F_GETFL. */
  readonly flags: number;
  readonly stat: Pick<Stat, "mode" | "dev" | "ino">;
}

/** What is longer is read by itself. */
const ROOM_BYTES = 512;
/** Ten digits and a NUL. */
export const NUMBER_BYTES = 12;
const S_IFMT = 0o170000n;
const S_IFREG = 0o100000n;
const S_IFIFO = 0o010000n;
const S_IFSOCK = 0o140000n;
/**
 * Magic numbers, include/uapi/linux/magic.h: ext4, xfs, btrfs, f2fs, tmpfs. To ask for a position does nothing there, and the number of an inode is the same
 * in /proc/locks and to stat(2).
 */
const ORDINARY: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994]);
const NO_FIELDS: Fdinfo["fields"] = new Map();

export class Fdinfos {
  readonly #numbers: Buffer;
  readonly #texts: Buffer;
  readonly #open: RepeatedCalls;
  readonly #read: RepeatedCalls;
  readonly #seek: RepeatedCalls;
  #pid: Pid | undefined;
  #those: readonly Described[] = [];
  #quick: QuickLook | undefined;
  /** By device number, whether the file system is one of those: as long as the same process is looked at. */
  readonly #ordinary = new Map<bigint, boolean>();
  /** By index in `those`: which of the calls to open and read, or to seek, are for it. */
  readonly #readAt = new Map<number, number>();
  readonly #seekAt = new Map<number, number>();

  /** `size`: of how many descriptors at a time. */
  constructor(size: number) {
    this.#numbers = Buffer.alloc(size * NUMBER_BYTES);
    this.#texts = Buffer.alloc(size * ROOM_BYTES);
    const nobody = asFd(-1);
    const all = (call: (index: number) => PreparedCall) =>
      new RepeatedCalls(Array.from({ length: size }, (_, index) => call(index)));
    this.#open = all((index) => prepared.openat(nobody, part(this.#numbers, index, NUMBER_BYTES), O.O_CLOEXEC, 0));
    this.#read = all((index) => prepared.read(nobody, part(this.#texts, index, ROOM_BYTES), ROOM_BYTES));
    this.#seek = all(() => prepared.lseek(nobody, 0n, SEEK_CUR));
  }

  /** Asks for all of them. `directory`: /proc/PID/fdinfo. */
  look(pid: Pid, directory: Fd, those: readonly Described[], quick: QuickLook | undefined): void {
    this.#pid = pid;
    this.#those = those;
    if (quick !== this.#quick) this.#ordinary.clear();
    this.#quick = quick;
    this.#readAt.clear();
    this.#seekAt.clear();
    for (const [index, one] of those.entries()) {
      if (quick !== undefined && this.#isPlain(one, quick)) this.#seekAt.set(index, this.#seekAt.size);
      else this.#readAt.set(index, this.#readAt.size);
    }
    for (const [index, call] of this.#seekAt) this.#seek.aim(call, 0, those[index]?.duplicate ?? -1);
    this.#seek.run(this.#seekAt.size);
    this.#readTexts(directory);
  }

  /**
   * Whether fdinfo has nothing to tell of it but position and flags, and perhaps locks. Those of sockets are not asked for at once; before it is known who
   * has some, an fdinfo is read sooner than that is waited for.
   */
  #isPlain({ flags, stat, duplicate }: Described, { locked }: QuickLook): boolean {
    if ((flags & O.O_PATH) !== 0) return false;
    const type = stat.mode & S_IFMT;
    if (type === S_IFSOCK) return true;
    return locked.areKnown && (type === S_IFIFO || (type === S_IFREG && this.#isOrdinary(stat.dev, duplicate)));
  }

  #isOrdinary(dev: bigint, file: Fd): boolean {
    const known = this.#ordinary.get(dev) ?? ORDINARY.has(statfsSync(`/proc/self/fd/${file}`).type);
    this.#ordinary.set(dev, known);
    return known;
  }

  #readTexts(directory: Fd): void {
    const count = this.#readAt.size;
    for (const [index, call] of this.#readAt) {
      const at = call * NUMBER_BYTES;
      this.#numbers[at + this.#numbers.write(`${this.#those[index]?.targetFd}`, at, "latin1")] = 0;
      this.#open.aim(call, 0, directory);
    }
    this.#open.run(count);
    for (let call = 0; call < count; call++) this.#read.aim(call, 0, this.#open.result(call));
    this.#read.run(count);
    const opened = Array.from({ length: count }, (_, call) => this.#open.result(call));
    closeAll(opened.filter((fd) => fd >= 0).map(asFd));
  }

  /** Of one of those; undefined: it is gone. Throws ProcFormatError. */
  at(index: number): Fdinfo | undefined {
    const [one, pid] = [this.#those[index], this.#pid];
    if (one === undefined || pid === undefined) throw new RangeError(`descriptor ${index} was not asked for`);
    const seek = this.#seekAt.get(index);
    if (seek !== undefined && this.#quick !== undefined)
      return new PlainFdinfo(pid, one, this.#seek.wideResult(seek), this.#quick);
    const call = this.#readAt.get(index) ?? -1;
    const length = this.#read.result(call);
    if (length < 0 || length >= ROOM_BYTES - 1) return readFdinfo(pid, one.targetFd);
    return fdinfoIn(this.#texts.subarray(call * ROOM_BYTES, call * ROOM_BYTES + length));
  }
}

/** The room of one of many. */
export const part = (bytes: Uint8Array, index: number, size: number) =>
  bytes.subarray(index * size, (index + 1) * size);

/** Neither sockets nor pipes have a position: it is ESPIPE there, and 0 in fdinfo. */
class PlainFdinfo implements Fdinfo {
  readonly position: bigint;
  readonly flags: number;

  constructor(
    private readonly pid: Pid,
    private readonly described: Described,
    seek: bigint,
    private readonly quick: QuickLook,
  ) {
    const { targetFd, flags } = described;
    this.position = seek < 0n ? 0n : seek;
    this.flags = (flags & ~O.O_CLOEXEC) | (quick.closeOnExec.has(targetFd) ? O.O_CLOEXEC : 0);
  }

  get mountId(): number {
    return this.#read()?.mountId ?? -1;
  }

  /** Locks, if there are any. */
  get fields(): Fdinfo["fields"] {
    return this.quick.locked.has(this.described.stat.ino) ? (this.#read()?.fields ?? NO_FIELDS) : NO_FIELDS;
  }

  #read = (): Fdinfo | undefined => readFdinfo(this.pid, this.described.targetFd);
}
