// What the kernel tells of all the descriptors of a process, each call made for many of them in one step (batch.ts): pidfd_getfd(2), proc_pid_fd(5),
// fstat(2), fcntl(2); fdinfos.ts has proc_pid_fdinfo(5).
import { F_GETFL, F_GETOWN_EX, F_GETSIG, f_owner_ex, O } from "../abi/fcntl.js";
import { SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOL_SOCKET, type SocketKind } from "../abi/socket.js";
import { type PreparedCall, prepared, RepeatedCalls } from "../batch.js";
import { AT_FDCWD, asFd, asTargetFd, type Fd, type Pid, type TargetFd } from "../brand.js";
import { SyscallError } from "../errno.js";
import { closeAll, own } from "../own-fd.js";
import { Scope } from "../scope.js";
import { isSameInode, isSocketIn, STAT_WORDS, type Stat, statIn } from "../stat.js";
import { sys } from "../syscalls.js";
import { type Fdinfo, readFdLink } from "./fdinfo.js";
import { type Described, Fdinfos, NUMBER_BYTES, part, type QuickLook } from "./fdinfos.js";

export interface SeenDescriptor {
  readonly targetFd: TargetFd;
  /** Ours, for the same open file description, until the next one is asked for. */
  readonly duplicate: Fd;
  /** As the kernel names what it is open on; undefined: it is gone. */
  readonly link: string | undefined;
  readonly fdinfo: Fdinfo | undefined;
  readonly stat: Stat;
  /** Undefined: it is no socket. */
  readonly socket: SocketKind | undefined;
  /** Whether the path that the link is leads there, for us; undefined: it is too long, or leads on from a symbolic link. */
  readonly isAtLink: boolean | undefined;
  /** Whether F_SETOWN, F_SETOWN_EX or F_SETSIG were used on it. */
  readonly isOwned: boolean;
}

/** A socket that is about to be looked at. */
export interface SeenSocket {
  /** Ours, as that of SeenDescriptor. */
  readonly duplicate: Fd;
  readonly inode: bigint;
  readonly kind: SocketKind;
}

/** What the caller of seenDescriptors has to it. */
export interface Look {
  readonly quick?: QuickLook | undefined;
  /** Told of some sockets before the first of them is looked at; what it gives is disposed when all of these have been. */
  readonly foresee?: (sockets: readonly SeenSocket[]) => Disposable;
}

/** How many are asked for at the same time: as many duplicates are open, and for a moment as many descriptors of fdinfo. */
const AT_ONCE = 64;
/** What is longer is read by itself. */
const ROOM_BYTES = 512;
const isWhole = (length: number): boolean => length >= 0 && length < ROOM_BYTES - 1;
const OWNER_WORDS = f_owner_ex.sizeBytes / 4;
const S_IFMT = 0o170000n;
const S_IFLNK = 0o120000n;

/**
 * Goes through descriptors of a process for which `pidfd` stands. Each is looked at by a function, which throws SyscallError when the descriptor is
 * gone.
 */
export function* seenDescriptors(
  pid: Pid,
  pidfd: Fd,
  fds: readonly TargetFd[],
  { quick, foresee }: Look = {},
): Generator<{ readonly targetFd: TargetFd; look(): SeenDescriptor }> {
  using scope = new Scope();
  const rows = free.pop() ?? new Rows();
  scope.defer(() => free.push(rows));
  const directory = (path: string) => own(sys.openat(AT_FDCWD, path, O.O_PATH | O.O_CLOEXEC, 0));
  // The duplicates have the same few numbers again and again: the kernel has not to make an inode of /proc for each descriptor of the target.
  const links = scope.use(directory("/proc/self/fd"));
  const infos = scope.use(directory(`/proc/${pid}/fdinfo`));
  for (let from = 0; from < fds.length; from += AT_ONCE) {
    const some = fds.slice(from, from + AT_ONCE);
    using _open = rows.open({ pid, pidfd, links: links.fd, infos: infos.fd, quick }, some);
    using _foreseen = foresee?.(rows.sockets());
    for (const [row, targetFd] of some.entries()) yield { targetFd, look: () => rows.seen(row) };
  }
}
/** One is looked at while another is: files on their way in a socket. */
const free: Rows[] = [];

interface Table {
  readonly pid: Pid;
  readonly pidfd: Fd;
  /** Our own /proc/PID/fd, the target's /proc/PID/fdinfo. */
  readonly links: Fd;
  readonly infos: Fd;
  readonly quick: QuickLook | undefined;
}

const asking = { fstat: 0, getflags: 1, getsig: 2, getown: 3, calls: 4 };
const naming = { readlink: 0, statAt: 1, calls: 2 };
const KIND = [SO_DOMAIN, SO_TYPE, SO_PROTOCOL];

/** Room for the answers, and the calls that fill it: used for one process after the other. */
class Rows {
  readonly #numbers = Buffer.alloc(AT_ONCE * NUMBER_BYTES);
  readonly #links = Buffer.alloc(AT_ONCE * ROOM_BYTES);
  readonly #infos = new Fdinfos(AT_ONCE);
  /** Struct f_owner_ex: type and pid, both 0 where nobody was set. */
  readonly #owners = new Int32Array(AT_ONCE * OWNER_WORDS);
  /** In turn: of a descriptor, and of the path that a link is. */
  readonly #stats = new BigUint64Array(AT_ONCE * STAT_WORDS * 2);
  readonly #find: RepeatedCalls;
  readonly #ask: RepeatedCalls;
  /** Of the sockets among them alone, in order. */
  readonly #kinds = new Int32Array(AT_ONCE * KIND.length);
  readonly #askKinds: RepeatedCalls;
  /** Of the others, in order: the name of a socket is its inode's number, and takes the kernel 3 us. */
  readonly #name: RepeatedCalls;
  /** By row, the first of the calls for it: of a socket, or of another. */
  readonly #socketAt = new Map<number, number>();
  readonly #namedAt = new Map<number, number>();
  #table: Table | undefined;
  #fds: readonly TargetFd[] = [];
  #described: readonly (Described & { readonly stat: Stat })[] = [];

  constructor() {
    const nobody = asFd(-1);
    const all = (calls: (row: number) => PreparedCall[]) =>
      new RepeatedCalls(Array.from({ length: AT_ONCE }, (_, row) => calls(row)).flat());
    const stats = new Uint8Array(this.#stats.buffer);
    const statBytes = STAT_WORDS * 8;
    this.#find = all(() => [prepared.pidfd_getfd(nobody, asTargetFd(-1), 0)]);
    this.#ask = all((row) => {
      const owner = new Uint8Array(this.#owners.buffer, row * f_owner_ex.sizeBytes, f_owner_ex.sizeBytes);
      return [
        prepared.fstat(nobody, part(stats, row * 2, statBytes)),
        prepared.fcntlSet(nobody, F_GETFL, 0),
        prepared.fcntlSet(nobody, F_GETSIG, 0),
        prepared.fcntlInto(nobody, F_GETOWN_EX, owner),
      ];
    });
    this.#name = all((row) => {
      const link = part(this.#links, row, ROOM_BYTES);
      return [
        prepared.readlinkat(nobody, part(this.#numbers, row, NUMBER_BYTES), link, ROOM_BYTES - 1),
        // From no directory: a link that is no path ("pipe:[4711]") is not looked up.
        prepared.newfstatat(nobody, link, part(stats, row * 2 + 1, statBytes), 0),
      ];
    });
    const four = new Uint8Array(Uint32Array.of(4).buffer);
    this.#askKinds = all((row) =>
      KIND.map((name, index) => {
        const value = new Uint8Array(this.#kinds.buffer, (row * KIND.length + index) * 4, 4);
        return prepared.getsockopt(nobody, SOL_SOCKET, name, value, four);
      }),
    );
  }

  /** Asks all there is to ask. Disposing closes the duplicates. */
  open(table: Table, fds: readonly TargetFd[]): Disposable {
    this.#table = table;
    this.#fds = fds;
    for (let row = 0; row < fds.length; row++) {
      this.#find.aim(row, 0, table.pidfd);
      this.#find.aim(row, 1, fds[row] ?? -1);
    }
    this.#find.run(fds.length);
    try {
      this.#askAll(table);
    } catch (error) {
      this.#closeAll();
      throw error;
    }
    return { [Symbol.dispose]: () => this.#closeAll() };
  }

  #askAll(table: Table): void {
    const count = this.#fds.length;
    for (let row = 0; row < count; row++)
      for (let call = 0; call < asking.calls; call++)
        this.#ask.aim(row * asking.calls + call, 0, this.#find.result(row));
    this.#ask.run(count * asking.calls);
    this.#described = this.#fds.map((targetFd, row) => ({
      targetFd,
      duplicate: asFd(this.#find.result(row)),
      flags: this.#answer(row, asking.getflags),
      stat: statIn(this.#stats, row * 2 * STAT_WORDS),
    }));
    this.#infos.look(table.pid, table.infos, this.#described, table.quick);
    this.#askSockets();
    this.#nameOthers(table);
  }

  /** The entry of a directory below /proc/PID. */
  #nameNumber(row: number, fd: number): void {
    const at = row * NUMBER_BYTES;
    this.#numbers[at + this.#numbers.write(`${fd}`, at, "latin1")] = 0;
  }

  #askSockets(): void {
    this.#socketAt.clear();
    for (const row of this.#fds.keys()) {
      if (this.#answer(row, asking.fstat) !== 0 || !isSocketIn(this.#stats, row * 2 * STAT_WORDS)) continue;
      const at = this.#socketAt.size * KIND.length;
      this.#socketAt.set(row, at);
      for (const index of KIND.keys()) this.#askKinds.aim(at + index, 0, this.#find.result(row));
    }
    this.#askKinds.run(this.#socketAt.size * KIND.length);
    // The file of one, held with O_PATH, is none.
    for (const [row, at] of this.#socketAt) if (this.#askKinds.result(at) < 0) this.#socketAt.delete(row);
  }

  #nameOthers({ links }: Table): void {
    this.#namedAt.clear();
    // Each link ends with a NUL.
    this.#links.fill(0);
    for (const row of this.#fds.keys()) {
      if (this.#socketAt.has(row)) continue;
      const at = this.#namedAt.size * naming.calls;
      this.#namedAt.set(row, at);
      this.#name.aim(at + naming.readlink, 0, links);
      this.#nameNumber(this.#namedAt.size - 1, this.#find.result(row));
    }
    this.#name.run(this.#namedAt.size * naming.calls);
  }

  sockets(): SeenSocket[] {
    return [...this.#socketAt.keys()].flatMap((row) => {
      const [kind, described] = [this.#socket(row), this.#described[row]];
      if (kind === undefined || described === undefined) return [];
      return [{ duplicate: described.duplicate, inode: described.stat.ino, kind }];
    });
  }

  #socket(row: number): SocketKind | undefined {
    const at = this.#socketAt.get(row);
    if (at === undefined) return undefined;
    const [family = 0, type = 0, protocol = 0] = this.#kinds.subarray(at, at + KIND.length);
    return { family, type, protocol };
  }

  #closeAll(): void {
    const opened = Array.from(this.#fds, (_, row) => this.#find.result(row));
    this.#fds = [];
    closeAll(opened.filter((fd) => fd >= 0).map(asFd));
  }

  seen(row: number): SeenDescriptor {
    const table = this.#table;
    const described = this.#described[row];
    if (table === undefined || described === undefined) throw new RangeError(`descriptor ${row} was not asked for`);
    const { targetFd, duplicate, stat } = described;
    if (duplicate < 0) throw new SyscallError("pidfd_getfd", -duplicate, [`${table.pidfd}`, `${targetFd}`, "0"]);
    const found = this.#answer(row, asking.fstat);
    if (found < 0) throw new SyscallError("fstat", -found, [`${duplicate}`]);
    return {
      targetFd,
      duplicate,
      link: this.#link(table.pid, row, targetFd, stat),
      fdinfo: this.#infos.at(row),
      stat,
      socket: this.#socket(row),
      isAtLink: this.#isAtLink(row, stat),
      isOwned: this.#isOwned(row),
    };
  }

  #link(pid: Pid, row: number, targetFd: TargetFd, { ino }: Stat): string | undefined {
    const named = this.#namedAt.get(row);
    if (named === undefined) return `socket:[${ino}]`;
    const length = this.#name.result(named + naming.readlink);
    if (!isWhole(length)) return readFdLink(pid, targetFd);
    const at = (named / naming.calls) * ROOM_BYTES;
    return this.#links.toString("utf8", at, at + length);
  }

  #isAtLink(row: number, { mode }: Stat): boolean | undefined {
    const named = this.#namedAt.get(row);
    if (named === undefined) return false;
    if ((mode & S_IFMT) === S_IFLNK || !isWhole(this.#name.result(named + naming.readlink))) return undefined;
    const there = ((named / naming.calls) * 2 + 1) * STAT_WORDS;
    return this.#name.result(named + naming.statAt) === 0 && isSameInode(this.#stats, row * 2 * STAT_WORDS, there);
  }

  /** A file opened with O_PATH has no owner (EBADF). */
  #isOwned(row: number): boolean {
    if (this.#answer(row, asking.getown) !== 0) return false;
    const at = row * OWNER_WORDS;
    return this.#owners[at] !== 0 || this.#owners[at + 1] !== 0 || this.#answer(row, asking.getsig) !== 0;
  }

  #answer = (row: number, call: number): number => this.#ask.result(row * asking.calls + call);
}
