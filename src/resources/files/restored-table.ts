// The open files of a restore: each description is made once, in our own process; tasks fetch it from us (pidfd_getfd(2)).
import { type FdinfoEntry, FdType, type FileEntry, type FownEntry } from "../../images/format/entries.js";
import { readFiles } from "../../images/old.js";
import { F_DUPFD, F_SETFD, O } from "../../kernel/abi/fcntl.js";
import { rlimit64 } from "../../kernel/abi/sched.js";
import { asPid, asTargetFd, type Fd, NULL, type TargetFd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import { expecting, type RemoteCall, remote } from "../../tracee/program.js";
import { type AnyFileKind, kindNamed } from "../index.js";
import type { RestoreContext, RestoredFiles, RestoredThread } from "../kind.js";
import { announce, applyCommon } from "./common.js";

const RLIMIT_NOFILE = 7;
const FD_CLOEXEC = 1;

/** What entries of most kinds have. */
interface Saved {
  readonly flags?: number;
  readonly fown?: FownEntry;
  readonly regfId?: number;
}

export class RestoredFileTable implements RestoredFiles, Disposable {
  readonly #entries = new Map<number, FileEntry>();
  readonly #open = new Map<number, Fd>();
  /** Files whose first descriptor is in place: the one that O_ASYNC is set by. */
  readonly #announced = new Set<number>();

  constructor(private readonly context: () => RestoreContext) {}

  /** Reads files.img and looks at every file in it. Throws StasisError when one cannot come back. */
  load(): void {
    const context = this.context();
    for (const entry of readFiles(context.images)) this.#entries.set(entry.id, entry);
    for (const entry of this.#entries.values()) {
      const { kind, saved } = this.#kindOf(entry);
      kind.validate?.(saved, context);
    }
  }

  entry(id: number): FileEntry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw broken(`there is no file ${id}, to which another image refers`);
  }

  all(): Iterable<FileEntry> {
    return this.#entries.values();
  }

  fd(id: number): Fd {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const { kind, saved } = this.#kindOf(this.entry(id));
    const fd = kind.open(saved, this.context());
    this.#open.set(id, fd);
    const common = this.#commonOf(saved);
    if (common?.flags !== undefined) applyCommon(fd, common.flags, common.fown);
    return fd;
  }

  /** A FIFO's flags and owner are in the regular file entry that it names; a terminal has both, and such an entry for its path. */
  #commonOf(saved: Saved): { readonly flags?: number; readonly fown?: FownEntry | undefined } | undefined {
    return saved.regfId === undefined || saved.flags !== undefined ? saved : this.entry(saved.regfId).reg;
  }

  #kindOf(entry: FileEntry): { kind: AnyFileKind; saved: Saved } {
    const kind = kindNamed(FdType[entry.type] ?? "");
    if (kind?.support !== "full")
      throw broken(`file ${entry.id} is of type ${FdType[entry.type] ?? entry.type}, which is not supported yet`);
    const saved = (entry as unknown as Readonly<Record<string, Saved | undefined>>)[kind.field];
    if (saved === undefined) throw broken(`file ${entry.id} lacks its ${kind.field} part`);
    return { kind, saved };
  }

  /** Fills a task's descriptor table, which is empty. */
  fill(thread: RestoredThread, entries: readonly FdinfoEntry[]): void {
    if (entries.length === 0) return;
    const { inside } = thread;
    const wanted = [...entries].sort((a, b) => a.fd - b.fd);
    const above = (wanted.at(-1)?.fd ?? 0) + 1;
    raiseLimit(thread);
    const first = inside.sys.pidfd_open(asPid(process.pid), 0);
    const engine = inside.sys.fcntlDupFd(first, F_DUPFD, above);
    inside.sys.close(first);
    inside.run(this.#program(wanted, engine));
    inside.sys.close(engine);
    const table = new Set(wanted.map(({ fd }) => fd));
    for (const { id, fd } of wanted) {
      const { kind, saved } = this.#kindOf(this.entry(id));
      kind.settle?.(saved, asTargetFd(fd), thread, table);
      const { flags = 0 } = this.#commonOf(saved) ?? {};
      if ((flags & O.O_ASYNC) !== 0 && !this.#announced.has(id)) announce(asTargetFd(fd), flags, inside);
      this.#announced.add(id);
    }
  }

  /**
   * The kernel gives each fetched descriptor the lowest free number. In ascending order of the wanted numbers that is at most the
   * wanted one, so it is known beforehand, and nothing in the way is ever closed.
   */
  #program(wanted: readonly FdinfoEntry[], engine: TargetFd): RemoteCall[] {
    const calls: RemoteCall[] = [];
    let lowest = 0;
    for (const { id, fd, flags } of wanted) {
      const ours = asTargetFd(this.fd(id));
      calls.push(expecting(remote.pidfd_getfd(engine, ours, 0), BigInt(lowest)));
      const cloexec = (flags & FD_CLOEXEC) !== 0;
      if (fd === lowest) {
        calls.push(remote.fcntlSet(asTargetFd(fd), F_SETFD, cloexec ? FD_CLOEXEC : 0));
        lowest += 1;
      } else {
        calls.push(remote.dup3(asTargetFd(lowest), asTargetFd(fd), cloexec ? O.O_CLOEXEC : 0));
        calls.push(remote.close(asTargetFd(lowest)));
      }
    }
    return calls;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) sys.close(fd);
    this.#open.clear();
  }
}

/** Numbers up to the hard limit may be in use; the wanted limits are set later. */
function raiseLimit({ inside }: RestoredThread): void {
  const now = inside.filled(rlimit64, (at) => inside.sys.prlimit64(0, RLIMIT_NOFILE, NULL, at));
  using room = inside.holding(rlimit64.encode({ rlim_cur: now.rlim_max, rlim_max: now.rlim_max }));
  inside.sys.prlimit64(0, RLIMIT_NOFILE, room.at, NULL);
}

function broken(reason: string): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "files.img" },
    reason,
  });
}
