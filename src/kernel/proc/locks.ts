// On which files somebody holds a lock or a lease: proc_locks(5). To show that, the kernel takes all file locks of the machine away until each
// processor has noticed, some 8 ms (fs/locks.c:locks_start, percpu_down_write): a thread of ours waits for it, and only a dump with very many
// descriptors asks.
import { readFileSync, readlinkSync } from "node:fs";
import { O } from "../abi/fcntl.js";
import { prepared, RepeatedCalls } from "../batch.js";
import { AT_FDCWD } from "../brand.js";
import { own } from "../own-fd.js";
import { Scope } from "../scope.js";
import { sys } from "../syscalls.js";
import { type Sharing, share } from "../thread.js";
import { ProcFormatError } from "./read.js";

const PATH = "/proc/locks";
/** PROC_PID_INIT_INO, include/linux/proc_ns.h: of the pid namespace that sees all locks; in others those of strangers are not shown. */
const INITIAL = "pid:[4026531836]";
/** A seq_file gives a page a read. */
const PAGE_BYTES = 4096;
const PAGES = 4;

export class LockedInodes implements Disposable {
  readonly #scope = new Scope();
  readonly #text = Buffer.alloc(PAGES * PAGE_BYTES);
  readonly #reads: RepeatedCalls;
  readonly #sharing: Sharing;
  #inodes: ReadonlySet<bigint> | undefined;

  /** Begins to read; undefined: not all locks are shown here. */
  static begin(): LockedInodes | undefined {
    return readlinkSync("/proc/self/ns/pid") === INITIAL ? new LockedInodes() : undefined;
  }

  private constructor() {
    const { fd } = this.#scope.use(own(sys.openat(AT_FDCWD, PATH, O.O_CLOEXEC, 0)));
    const pages = Array.from({ length: PAGES }, (_, page) =>
      this.#text.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES),
    );
    this.#reads = new RepeatedCalls(pages.map((page) => prepared.read(fd, page, PAGE_BYTES)));
    this.#sharing = share([this.#reads.part(0, PAGES)], { sleeps: true });
    this.#scope.defer(() => this.#sharing.finish());
  }

  /** Whether `has` need not wait. */
  get areKnown(): boolean {
    return this.#inodes !== undefined || this.#sharing.isDone;
  }

  /** Whether somebody held one on a file with this number, of whichever file system, when this was made or later. */
  has(inode: bigint): boolean {
    this.#inodes ??= this.#read();
    return this.#inodes.has(inode);
  }

  #read(): ReadonlySet<bigint> {
    this.#sharing.finish();
    const lengths = Array.from({ length: PAGES }, (_, page) => this.#reads.result(page));
    // A page that is there although the room is full, or an error: once more, by a call that tells.
    if (lengths.at(-1) !== 0 || lengths.some((length) => length < 0)) return lockedInodesIn(readFileSync(PATH, "utf8"));
    const texts = lengths.map((length, page) => this.#text.subarray(page * PAGE_BYTES, page * PAGE_BYTES + length));
    return lockedInodesIn(Buffer.concat(texts).toString("latin1"));
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

/** "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF", "1: -> FLOCK  ADVISORY ...": fs/locks.c, lock_get_status(). */
const LINE = /^\d+: .* -?\d+ (?:[0-9a-f]+:[0-9a-f]+:(\d+)|<none>:0) \d+ (?:\d+|EOF)$/;

/** The numbers of inodes in the text of /proc/locks. Throws ProcFormatError. */
export function lockedInodesIn(text: string): ReadonlySet<bigint> {
  const inodes = new Set<bigint>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const found = LINE.exec(line);
    if (found === null) throw new ProcFormatError("locks", line);
    inodes.add(BigInt(found[1] ?? 0));
  }
  return inodes;
}
