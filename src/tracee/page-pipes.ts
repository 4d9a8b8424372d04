// Pages of a deputy's memory on their way into a file: the deputy puts them into pipes, which copies nothing (vmsplice(2)), and we move them on
// to the file (splice(2)). One copy in all, made by the kernel: 1 GiB in 0.3 s, against 0.8 s by way of a buffer of ours.
import { F_GETPIPE_SZ, F_SETPIPE_SZ } from "../kernel/abi/fcntl.js";
import { asAddress, asTargetFd, type Fd, type TargetFd } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { own } from "../kernel/own-fd.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import type { Inside } from "./inside.js";
import { type RemoteCall, remote } from "./program.js";

/** Pages at consecutive addresses. */
export interface PagePiece {
  readonly start: bigint;
  readonly lengthBytes: number;
}

const PIPES = 4;
/** What a pipe may hold without CAP_SYS_RESOURCE: pipe(7), /proc/sys/fs/pipe-max-size. */
const PIPE_BYTES = 1 << 20;
const IOVEC_WORDS = 2;

interface PagePipe {
  readonly theirs: TargetFd;
  readonly ours: Fd;
  readonly capacityBytes: number;
}

export class PagePipes implements Disposable {
  readonly #ours = new Scope();
  readonly #pipes: PagePipe[] = [];

  private constructor(readonly deputy: Inside) {}

  /** Undefined when the kernel gives the deputy no pipes: its user has too many, RLIMIT_NOFILE. */
  static open(deputy: Inside): PagePipes | undefined {
    const pipes = new PagePipes(deputy);
    try {
      using pidfd = own(sys.pidfd_open(deputy.tracee.pid, 0));
      for (let count = 0; count < PIPES; count++) pipes.#add(pidfd.fd);
      return pipes;
    } catch (error) {
      pipes[Symbol.dispose]();
      if (error instanceof SyscallError) return undefined;
      throw error;
    }
  }

  #add(pidfd: Fd): void {
    using ends = this.deputy.room(8);
    this.deputy.sys.pipe2(ends.at, 0);
    const [read = -1, write = -1] = new Int32Array(this.deputy.memory.read(ends.at, 8).buffer);
    const ours = sys.pidfd_getfd(pidfd, asTargetFd(read), 0);
    this.#ours.defer(() => sys.close(ours));
    // EPERM: the user has more in pipes than pipe-user-pages-soft. Small ones do as well, more slowly.
    unless("EPERM", () => sys.fcntlSet(ours, F_SETPIPE_SZ, PIPE_BYTES));
    this.#pipes.push({ theirs: asTargetFd(write), ours, capacityBytes: sys.fcntlSet(ours, F_GETPIPE_SZ, 0) });
  }

  /** How much one `move` takes. */
  get capacityBytes(): number {
    return this.#pipes.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  }

  /**
   * Has the pages of `pieces`, `capacityBytes` at most, come out of pipes: `take` must take `lengthBytes` from each. False: the deputy may not read
   * some of them (PROT_NONE, protection keys); nothing was taken, and the pipes are of no use any more.
   */
  move(pieces: readonly PagePiece[], take: (pipe: Fd, lengthBytes: number) => void): boolean {
    const loads = this.#distribute(pieces);
    const words = BigUint64Array.from(loads.flatMap(({ vector }) => vector));
    using vectors = this.deputy.holding(new Uint8Array(words.buffer));
    let at: bigint = vectors.at;
    const calls: RemoteCall[] = loads.map(({ pipe, vector }) => {
      const call = remote.vmsplice(pipe.theirs, asAddress(at), BigInt(vector.length / IOVEC_WORDS), 0);
      at += BigInt(vector.length * 8);
      return call;
    });
    const moved = this.deputy.run(calls, { keepGoing: true });
    if (loads.some(({ lengthBytes }, index) => moved[index] !== BigInt(lengthBytes))) return false;
    for (const { pipe, lengthBytes } of loads) take(pipe.ours, lengthBytes);
    return true;
  }

  /** Fills one pipe after the other. */
  #distribute(pieces: readonly PagePiece[]): { pipe: PagePipe; vector: bigint[]; lengthBytes: number }[] {
    const loads = this.#pipes.map((pipe) => ({ pipe, vector: [] as bigint[], lengthBytes: 0 }));
    let index = 0;
    for (const { start, lengthBytes } of pieces) {
      for (let done = 0; done < lengthBytes; ) {
        const load = loads[index];
        if (load === undefined) throw new RangeError(`${lengthBytes - done} bytes more than the pipes hold`);
        const count = Math.min(lengthBytes - done, load.pipe.capacityBytes - load.lengthBytes);
        if (count === 0) index++;
        else load.vector.push(start + BigInt(done), BigInt(count));
        load.lengthBytes += count;
        done += count;
      }
    }
    return loads.filter(({ lengthBytes }) => lengthBytes > 0);
  }

  [Symbol.dispose](): void {
    this.#ours[Symbol.dispose]();
  }
}
