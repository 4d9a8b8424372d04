// Files that have no name by which they can be opened, on a restore: ghosts made from ghost-file-N.img, links that a dump has made, tasks
// that are gone. remap-fpath.img says which file entry is which; each has its name back for as long as it is being opened.

import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { io } from "../../../images/file.js";
import {
  GhostChunkEntrySchema,
  type GhostFileEntry,
  GhostFileEntrySchema,
  type RegFileEntry,
  RemapType,
  type Timeval,
} from "../../../images/format/entries.js";
import { AT_FDCWD, asFd, type Fd } from "../../../kernel/brand.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import type { RestoreContext } from "../../kind.js";
import { filling, type Put } from "./contents.js";
import { startTask } from "./dead-tasks.js";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** The ghosts of one restore: made when first opened, without a name again when everybody has them open. */
export class RestoredGhosts {
  readonly #ghostOf = new Map<number, number>();
  /** File entries by whose path the file is, and pids of tasks in whose /proc it was. */
  readonly #linkOf = new Map<number, number>();
  readonly #taskOf = new Map<number, number>();
  readonly #made = new Map<number, string>();
  readonly #usedLinks = new Set<string>();
  readonly #tasks = new Set<number>();
  /** Undone: no ghost has a name. */
  readonly #names = new Scope();

  constructor(private readonly context: RestoreContext) {
    context.scope.use(this.#names);
    for (const remap of context.images.read("remap-fpath", undefined)) {
      const those = this.#remapsOf(remap.remapType);
      those.set(remap.origId, remap.remapId);
    }
  }

  #remapsOf(type: RemapType): Map<number, number> {
    if (type === RemapType.GHOST) return this.#ghostOf;
    return type === RemapType.LINKED ? this.#linkOf : this.#taskOf;
  }

  has(fileId: number): boolean {
    return this.#ghostOf.has(fileId) || this.#taskOf.has(fileId);
  }

  /** Another name of the file, which it has for the restore only; undefined: its own one will do. */
  linkOf(fileId: number): string | undefined {
    const link = this.#linkOf.get(fileId);
    return link === undefined ? undefined : this.context.files.entry(link).reg?.name;
  }

  /** The first file that is this ghost, by the inode that it had when it was dumped; `device` as the kernel counts. */
  entryOf({ device, inode }: { readonly device: number; readonly inode: bigint }): RegFileEntry | undefined {
    for (const [fileId, ghost] of this.#ghostOf) {
      using reader = this.context.images.reader("ghost-file", ghost);
      const { dev, ino } = reader?.expect(GhostFileEntrySchema) ?? {};
      if (dev === device && ino === inode) return this.context.files.entry(fileId).reg;
    }
    return undefined;
  }

  removeNames(): void {
    this.#names[Symbol.dispose]();
  }

  /** The restore is about to succeed. Until then its images can be restored again. */
  removeLinks(): void {
    for (const link of this.#usedLinks) unlinkSync(link);
    this.#usedLinks.clear();
  }

  /** Calls `open` with a path under which the file is there: its own, or for a ghost the old one for the length of the call. */
  openThrough(entry: RegFileEntry, open: (path: string) => Fd): Fd {
    const task = this.#taskOf.get(entry.id);
    if (task !== undefined) this.#holdTask(task);
    const made = this.#otherPath(entry);
    if (made === undefined || made === entry.name || existsSync(entry.name)) return open(made ?? entry.name);
    this.#makeParents(dirname(entry.name));
    // It had several names: the kernel shows the file by the one under which it was opened.
    linkSync(made, entry.name);
    try {
      return open(entry.name);
    } finally {
      unlinkSync(entry.name);
    }
  }

  /** Where the file of a ghost or link is; undefined: it is neither. */
  #otherPath({ id, name }: RegFileEntry): string | undefined {
    const link = this.linkOf(id);
    if (link !== undefined) this.#usedLinks.add(link);
    const ghost = this.#ghostOf.get(id);
    if (link !== undefined || ghost === undefined) return link;
    return (
      this.#made.get(ghost) ??
      io("restore the deleted file", { kind: "path", path: name }, () => this.#make(ghost, name))
    );
  }

  #holdTask(pid: number): void {
    if (this.#tasks.has(pid)) return;
    this.#tasks.add(pid);
    this.#names.use(startTask(pid));
  }

  #make(id: number, name: string): string {
    // With its old name, the kernel shows the file as it did before; where another file has that name, a spare one must do.
    const path = existsSync(name) ? `${name}.cr.${id.toString(16)}.ghost` : name;
    using reader = this.context.images.reader("ghost-file", id);
    if (reader === undefined) throw new RangeError("an image that must be there is not");
    const entry = reader.expect(GhostFileEntrySchema);
    this.#makeParents(dirname(path));
    createNode(path, entry);
    this.#made.set(id, path);
    this.#names.defer(() => ((entry.mode & S_IFMT) === S_IFDIR ? rmdirSync(path) : unlinkSync(path)));
    if ((entry.mode & S_IFMT) === S_IFREG) {
      const fd = asFd(openSync(path, "r+"));
      try {
        filling(fd, entry.size, (put) => {
          if (entry.chunks) this.#fillChunks(reader, put);
          else put(reader.blob(reader.remaining), 0n);
        });
        if (entry.size !== 0n) sys.ftruncate(fd, entry.size);
      } finally {
        closeSync(fd);
      }
    }
    lchownSync(path, entry.uid, entry.gid);
    if ((entry.mode & S_IFMT) !== S_IFLNK) chmodSync(path, entry.mode & 0o7777);
    if (entry.atim !== undefined && entry.mtim !== undefined)
      lutimesSync(path, seconds(entry.atim), seconds(entry.mtim));
    return path;
  }

  /** A deleted file may have been in a deleted directory: it comes back for as long as the file has a name. */
  #makeParents(directory: string): void {
    if (existsSync(directory)) return; // as of every file that was not deleted
    this.#makeParents(dirname(directory));
    mkdirSync(directory);
    this.#names.defer(() => rmdirSync(directory));
  }

  #fillChunks(reader: NonNullable<ReturnType<RestoreContext["images"]["reader"]>>, put: Put): void {
    while (reader.remaining > 0) {
      const { len, off } = reader.expect(GhostChunkEntrySchema);
      put(reader.blob(Number(len)), off);
    }
  }
}

const seconds = ({ tvSec, tvUsec }: Timeval) => Number(tvSec) + Number(tvUsec) / 1e6;

function createNode(path: string, { mode, rdev, symlnkTarget }: GhostFileEntry): void {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) mkdirSync(path, 0o700);
  else if (type === S_IFLNK) symlinkSync(symlnkTarget, path);
  else sys.mknodat(AT_FDCWD, path, type | 0o600, BigInt(rdev));
}
