// The open files of a restore: each description is made once, in our own process; tasks get it from us (handover.ts).
import {
  type FdinfoEntry,
  FdType,
  type FileEntry,
  type FownEntry,
  type RegFileEntry,
} from "../../images/format/entries.js";
import { readFiles } from "../../images/old.js";
import { F_SETFD, O, O_ACCMODE } from "../../kernel/abi/fcntl.js";
import { RLIMIT_NOFILE, rlimit64 } from "../../kernel/abi/sched.js";
import { AT_FDCWD, asTargetFd, type Fd, NULL, type TargetFd } from "../../kernel/brand.js";
import { limitOfDescriptors, makeRoomFor } from "../../kernel/descriptor-table.js";
import { closeAll } from "../../kernel/own-fd.js";
import { Scope } from "../../kernel/scope.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import { type AnyFileKind, kindNamed } from "../index.js";
import type { RestoreContext, RestoredFiles, RestoredTable, RestoredThread } from "../kind.js";
import { announce, applyCommon, applyOwner } from "./common.js";
import { handOver, withEngine } from "./handover.js";

const FD_CLOEXEC = 1;

/** What entries of most kinds have. */
interface Saved {
  readonly flags?: number;
  readonly fown?: FownEntry;
  readonly regfId?: number;
}

/** An entry, and what it is an entry of. */
interface Loaded {
  readonly entry: FileEntry;
  readonly kind: AnyFileKind;
  readonly saved: Saved;
}

export class RestoredFileTable implements RestoredFiles, Disposable {
  readonly #entries = new Map<number, FileEntry>();
  readonly #loaded = new Map<number, Loaded>();
  readonly #open = new Map<number, Fd>();
  /** The flags of files with O_ASYNC that no task has a descriptor for yet: it is set by the first one. */
  readonly #unannounced = new Map<number, number>();
  /** Those that are filled and not finished. */
  readonly #tables: {
    readonly thread: RestoredThread;
    readonly wanted: readonly FdinfoEntry[];
    readonly late: readonly FdinfoEntry[];
  }[] = [];

  /** By which tasks get descriptors. */
  readonly #onTheirWay = new Scope();

  constructor(private readonly context: () => RestoreContext) {}

  /** Reads files.img and looks at every file in it. Throws StasisError when one cannot come back. */
  load(): void {
    const context = this.context();
    for (const entry of readFiles(context.images)) this.#entries.set(entry.id, entry);
    makeRoomFor(this.#entries.size);
    for (const entry of this.#entries.values()) {
      const loaded = loadedFrom(entry);
      this.#loaded.set(entry.id, loaded);
      loaded.kind.validate?.(loaded.saved, context);
      const flags = this.#commonOf(loaded)?.flags ?? 0;
      if ((flags & O.O_ASYNC) !== 0) this.#unannounced.set(entry.id, flags);
    }
  }

  /** Before any task exists. */
  prepare(): void {
    for (const { kind, saved } of this.#loaded.values()) kind.prepare?.(saved, this.context());
  }

  entry(id: number): FileEntry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw broken(`there is no file ${id}, to which another image refers`);
  }

  path(id: number): RegFileEntry {
    const { reg } = this.entry(id);
    if (reg !== undefined) return reg;
    throw broken(`file ${id}, which has to tell the path of another kind of file, has none`);
  }

  all(): Iterable<FileEntry> {
    return this.#entries.values();
  }

  fd(id: number): Fd {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const loaded = this.#loadedOf(id);
    const fd = loaded.kind.open(loaded.saved, this.context());
    this.#open.set(id, fd);
    const common = this.#commonOf(loaded);
    if (common?.flags !== undefined) applyCommon(fd, common.flags, common.fown);
    return fd;
  }

  /** Opens what can be opened together with others of its kind. */
  #openMany(wanted: readonly FdinfoEntry[]): void {
    const byKind = new Map<AnyFileKind, { readonly ids: number[]; readonly entries: Saved[] }>();
    for (const id of new Set(wanted.map((one) => one.id))) {
      if (this.#open.has(id)) continue;
      const { kind, saved } = this.#loadedOf(id);
      if (kind.openMany === undefined) continue;
      const those = byKind.get(kind) ?? { ids: [], entries: [] };
      those.ids.push(id);
      those.entries.push(saved);
      byKind.set(kind, those);
    }
    for (const [kind, { ids, entries }] of byKind) {
      const fds = kind.openMany?.(entries, this.context()) ?? [];
      for (const [index, id] of ids.entries()) this.#keepOpened(id, fds[index], entries[index]?.fown);
    }
  }

  #keepOpened(id: number, fd: Fd | undefined, owner: FownEntry | undefined): void {
    if (fd === undefined) return;
    this.#open.set(id, fd);
    if (owner !== undefined) applyOwner(fd, owner);
  }

  /**
   * The file behind a mapping, opened as that had opened it: CRIU has one entry for all mappings of an inode. `flags`: O_RDONLY or O_RDWR;
   * undefined: as the entry says.
   */
  forMapping(id: number, flags: number | undefined): Fd {
    const ours = this.fd(id);
    const { reg } = this.entry(id);
    const access = (flags ?? 0) & O_ACCMODE;
    if (reg === undefined || flags === undefined || (reg.flags & O_ACCMODE) === access) return ours;
    const key = `${id}:${access}`;
    const known = this.#otherwise.get(key);
    if (known !== undefined) return known;
    const fd = sys.openat(AT_FDCWD, `/proc/self/fd/${ours}`, access | O.O_CLOEXEC, 0);
    this.#otherwise.set(key, fd);
    return fd;
  }
  readonly #otherwise = new Map<string, Fd>();

  /**
   * A FIFO's flags and owner are in the regular file entry that it names, a tun file's in the one that it has itself; a terminal has both,
   * and such an entry for its path.
   */
  #commonOf({ entry, saved }: Loaded): { readonly flags?: number; readonly fown?: FownEntry | undefined } | undefined {
    if (entry.reg !== undefined) return entry.reg;
    return saved.regfId === undefined || saved.flags !== undefined ? saved : this.path(saved.regfId);
  }

  #loadedOf(id: number): Loaded {
    const loaded = this.#loaded.get(id) ?? loadedFrom(this.entry(id));
    this.#loaded.set(id, loaded);
    return loaded;
  }

  /** Fills a task's descriptor table, which is empty, with all that may be opened before every task is whole. */
  fill(thread: RestoredThread, entries: readonly FdinfoEntry[]): void {
    if (entries.length === 0) return;
    const wanted = [...entries].sort((a, b) => a.fd - b.fd);
    const early: FdinfoEntry[] = [];
    const late: FdinfoEntry[] = [];
    for (const one of wanted) (this.#isLate(one.id) ? late : early).push(one);
    this.#tables.push({ thread, wanted, late });
    this.#openMany(early);
    const free = lowestFree(wanted);
    raiseLimit(thread, Math.max(free, wanted.at(-1)?.fd ?? 0) + 1);
    this.#program(thread.inside, early, free);
  }

  /** What names tasks, their threads and descriptors; then what the kernel ties to a task's own descriptors. */
  finish(): void {
    for (const { thread, wanted, late } of this.#tables) {
      if (late.length === 0) continue;
      withEngine(thread.inside, lowestFree(wanted), (engine) => this.#fillLate(thread, late, engine));
    }
    const tables = this.#tables.map(({ thread, wanted }) => this.#restored(thread, wanted));
    for (const { kind, saved } of this.#loaded.values()) kind.settle?.(saved, tables, this.context());
    for (const { thread, wanted } of this.#tables.splice(0)) this.#announceAll(thread, wanted);
  }

  #restored(thread: RestoredThread, wanted: readonly FdinfoEntry[]): RestoredTable {
    const free = lowestFree(wanted);
    let ids: ReadonlyMap<number, number> | undefined;
    return {
      thread,
      // For each of ten thousand files only when somebody asks.
      get ids() {
        ids ??= new Map(wanted.map(({ fd, id }) => [fd, id]));
        return ids;
      },
      borrowing: (fileId, use) => {
        const { sys: inside } = thread.inside;
        const lent = withEngine(thread.inside, free, (engine) =>
          inside.pidfd_getfd(engine, asTargetFd(this.fd(fileId)), 0),
        );
        try {
          return use(lent);
        } finally {
          inside.close(lent);
        }
      },
    };
  }

  #isLate(id: number): boolean {
    const { kind, saved } = this.#loadedOf(id);
    return kind.isLate?.(saved) === true;
  }

  #fillLate({ inside }: RestoredThread, late: readonly FdinfoEntry[], engine: TargetFd): void {
    for (const { id, fd, flags } of late) {
      const fetched = inside.sys.pidfd_getfd(engine, asTargetFd(this.fd(id)), 0);
      const cloexec = (flags & FD_CLOEXEC) !== 0;
      if (fetched === fd) inside.sys.fcntlSet(fetched, F_SETFD, cloexec ? FD_CLOEXEC : 0);
      else {
        inside.sys.dup3(fetched, asTargetFd(fd), cloexec ? O.O_CLOEXEC : 0);
        inside.sys.close(fetched);
      }
    }
  }

  #announceAll({ inside }: RestoredThread, wanted: readonly FdinfoEntry[]): void {
    if (this.#unannounced.size === 0) return;
    for (const { id, fd } of wanted) {
      const flags = this.#unannounced.get(id);
      if (flags === undefined) continue;
      this.#unannounced.delete(id);
      announce(asTargetFd(fd), flags, inside);
    }
  }

  /** In descending order: each number is wanted where it is or above, so that nothing in the way is ever closed. */
  #program(inside: Inside, wanted: readonly FdinfoEntry[], free: number): void {
    const ours = wanted.map(({ id }) => this.fd(id));
    const { numbers, isCloexec } = handOver(inside, ours, free, this.#onTheirWay);
    for (let index = wanted.length - 1; index >= 0; index--) {
      const [one, number] = [wanted[index], numbers[index]];
      if (one === undefined || number === undefined) continue;
      const wantsCloexec = (one.flags & FD_CLOEXEC) !== 0;
      if (one.fd !== number) {
        inside.later(remote.dup3(number, asTargetFd(one.fd), wantsCloexec ? O.O_CLOEXEC : 0));
        inside.later(remote.close(number));
      } else if (wantsCloexec !== isCloexec)
        inside.later(remote.fcntlSet(number, F_SETFD, wantsCloexec ? FD_CLOEXEC : 0));
    }
  }

  /** When the tasks have theirs. What only we had open is closed then. */
  letGo(): void {
    this.#onTheirWay[Symbol.dispose]();
    closeAll([...this.#open.values(), ...this.#otherwise.values()]);
    this.#open.clear();
    this.#otherwise.clear();
  }

  [Symbol.dispose](): void {
    this.letGo();
  }
}

function loadedFrom(entry: FileEntry): Loaded {
  const kind = kindNamed(FdType[entry.type] ?? "");
  if (kind?.support !== "full")
    throw broken(`file ${entry.id} is of type ${FdType[entry.type] ?? entry.type}, which is not supported yet`);
  const saved = (entry as unknown as Readonly<Record<string, Saved | undefined>>)[kind.field];
  if (saved === undefined) throw broken(`file ${entry.id} lacks its ${kind.field} part`);
  return { entry, kind, saved };
}

/** The lowest number that the task does not want. */
function lowestFree(wanted: readonly FdinfoEntry[]): number {
  const gap = wanted.findIndex(({ fd }, index) => fd !== index);
  return gap === -1 ? wanted.length : gap;
}

/** The wanted limits are set later; numbers above them may be in use. Until then a task has ours. */
function raiseLimit({ inside }: RestoredThread, numbers: number): void {
  const { rlim_cur, rlim_max } = limitOfDescriptors();
  if (rlim_cur >= BigInt(numbers)) return;
  const limit = rlim_max > BigInt(numbers) ? rlim_max : BigInt(numbers);
  inside.laterWith(rlimit64.encode({ rlim_cur: limit, rlim_max: limit }), (at) =>
    remote.prlimit64(0, RLIMIT_NOFILE, at, NULL),
  );
}

function broken(reason: string): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "files.img" },
    reason,
  });
}
