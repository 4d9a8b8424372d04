// Ghost files: files without a name that are still open. Their contents go into ghost-file-N.img, remap-fpath.img says which file
// entry is which ghost. On restore a ghost gets its name back for as long as it is being opened.

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
import { create } from "@bufbuild/protobuf";
import {
  GhostChunkEntrySchema,
  type GhostFileEntry,
  GhostFileEntrySchema,
  type RegFileEntry,
  RemapFilePathEntrySchema,
  RemapType,
  type Timeval,
  TimevalSchema,
} from "../../../images/format/entries.js";
import { SEEK_DATA, SEEK_HOLE } from "../../../kernel/abi/fcntl.js";
import { AT_FDCWD, asFd, type Fd } from "../../../kernel/brand.js";
import { kernelDevice } from "../../../kernel/device.js";
import { unless } from "../../../kernel/errno.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { DumpContext, OpenFile, RestoreContext } from "../../kind.js";
import { refuseFile } from "../refuse.js";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
/** From this size on contents are saved in chunks, without their holes: three pages, as CRIU does. */
const CHUNKED_FROM_BYTES = 12288n;
const BUFFER_BYTES = 256 * 1024;

/** The ghosts of one dump. */
export class Ghosts {
  readonly #ids = new Map<string, number>();
  readonly #remaps: { readonly origId: number; readonly remapId: number }[] = [];

  constructor(private readonly context: DumpContext) {}

  /** Saves the file unless an entry before it was the same inode; `fileId` is the entry that it stands for. */
  add(file: OpenFile, fileId: number): void {
    const key = `${file.stat.dev}:${file.stat.ino}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#ids.size + 1;
      this.#ids.set(key, id);
      this.#save(file, id);
    }
    this.#remaps.push({ origId: fileId, remapId: id });
  }

  /** remap-fpath.img, when all files are known. */
  write(): void {
    const entries = this.#remaps.map((remap) =>
      create(RemapFilePathEntrySchema, { ...remap, remapType: RemapType.GHOST }),
    );
    this.context.images.writeLater("remap-fpath", undefined, entries);
  }

  #save(file: OpenFile, id: number): void {
    const { stat, duplicate, subject } = file;
    const mode = Number(stat.mode);
    const isRegular = (mode & S_IFMT) === S_IFREG;
    const size = stat.size;
    if (isRegular) this.#checkLimit(file);
    const entry = create(GhostFileEntrySchema, {
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mode,
      dev: kernelDevice(stat.dev),
      ino: stat.ino,
      rdev: Number(stat.rdev),
      atim: timeval(stat.atimeNs),
      mtim: timeval(stat.mtimeNs),
    });
    const chunked = isRegular && size >= CHUNKED_FROM_BYTES;
    if ((mode & S_IFMT) === S_IFLNK) entry.symlnkTarget = linkTarget(duplicate);
    if (isRegular) entry.size = size;
    if (chunked) entry.chunks = true;
    using writer = this.context.images.writer("ghost-file", id);
    writer.append(entry);
    if (isRegular && size > 0n) {
      const readable = asFd(openSync(`/proc/self/fd/${duplicate}`, "r"));
      try {
        for (const { from, to } of chunked ? dataIn(readable, size) : [{ from: 0n, to: size }]) {
          if (chunked)
            writer.appendAs(GhostChunkEntrySchema, create(GhostChunkEntrySchema, { len: to - from, off: from }));
          copyIn(readable, from, to, (bytes) => writer.blob(bytes));
        }
      } catch (cause) {
        throw new StasisError({
          code: "IO_FAILED",
          doing: "read the deleted file of",
          subject,
          reason: String(cause),
          cause,
        });
      } finally {
        closeSync(readable);
      }
    }
    writer.close();
  }

  #checkLimit({ duplicate, subject, stat }: OpenFile): void {
    const { ghostLimitBytes } = this.context.options;
    const allocated = stat.blocks * 512n;
    if (allocated <= BigInt(ghostLimitBytes)) return;
    throw refuseFile(
      subject,
      `it was deleted and holds ${allocated} bytes, more than the limit of ${ghostLimitBytes} for what goes into the images (our fd ${duplicate})`,
      `pass --ghost-limit ${allocated}`,
    );
  }
}

function* dataIn(file: Fd, size: bigint): Generator<{ from: bigint; to: bigint }> {
  for (let at = 0n; at < size; ) {
    const from = unless("ENXIO", () => sys.lseek(file, at, SEEK_DATA));
    if (from === undefined || from >= size) return;
    const hole = sys.lseek(file, from, SEEK_HOLE);
    const to = hole < size ? hole : size;
    yield { from, to };
    at = to;
  }
}

function copyIn(file: Fd, from: bigint, to: bigint, put: (bytes: Uint8Array) => void): void {
  for (let at = from; at < to; ) {
    const buffer = new Uint8Array(Math.min(BUFFER_BYTES, Number(to - at)));
    const count = sys.pread64(file, buffer, buffer.byteLength, at);
    if (count === 0) throw new RangeError(`it ended at ${at} while it was read`);
    put(buffer.subarray(0, count));
    at += BigInt(count);
  }
}

/** The ghosts of one restore: made when first opened, without a name again when everybody has them open. */
export class RestoredGhosts {
  readonly #ghostOf = new Map<number, number>();
  readonly #made = new Map<number, string>();
  /** Undone: no ghost has a name. */
  readonly #names = new Scope();

  constructor(private readonly context: RestoreContext) {
    context.scope.use(this.#names);
    for (const remap of context.images.read("remap-fpath", undefined)) {
      if (remap.remapType !== RemapType.GHOST) {
        throw new StasisError({
          code: "IMAGE_INVALID",
          doing: "restore the file",
          subject: { kind: "image", file: "remap-fpath.img" },
          reason: `file ${remap.origId} is remapped in a way that is not supported yet`,
        });
      }
      this.#ghostOf.set(remap.origId, remap.remapId);
    }
  }

  has(fileId: number): boolean {
    return this.#ghostOf.has(fileId);
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

  /** Calls `open` with a path under which the file is there: its own, or for a ghost the old one for the length of the call. */
  openThrough(entry: RegFileEntry, open: (path: string) => Fd): Fd {
    const ghost = this.#ghostOf.get(entry.id);
    if (ghost === undefined) return open(entry.name);
    const made = this.#made.get(ghost) ?? this.#make(ghost, entry.name);
    if (made === entry.name || existsSync(entry.name)) return open(made);
    // It had several names: the kernel shows the file by the one under which it was opened.
    linkSync(made, entry.name);
    try {
      return open(entry.name);
    } finally {
      unlinkSync(entry.name);
    }
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
        if (entry.chunks) this.#fillChunks(reader, fd);
        else putAt(fd, reader.blob(reader.remaining), 0n);
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
    if (existsSync(directory)) return;
    this.#makeParents(dirname(directory));
    mkdirSync(directory);
    this.#names.defer(() => rmdirSync(directory));
  }

  #fillChunks(reader: NonNullable<ReturnType<RestoreContext["images"]["reader"]>>, fd: Fd): void {
    while (reader.remaining > 0) {
      const { len, off } = reader.expect(GhostChunkEntrySchema);
      putAt(fd, reader.blob(Number(len)), off);
    }
  }
}

function putAt(fd: Fd, bytes: Uint8Array, offset: bigint): void {
  for (let done = 0; done < bytes.byteLength; ) {
    done += sys.pwrite64(fd, bytes.subarray(done), bytes.byteLength - done, offset + BigInt(done));
  }
}

/** What the symbolic link behind an O_PATH descriptor points to: readlinkat(2) with an empty path. */
function linkTarget(link: Fd): string {
  const target = Buffer.alloc(4096);
  return target.toString("utf8", 0, sys.readlinkat(link, "", target, target.byteLength));
}

const seconds = ({ tvSec, tvUsec }: Timeval) => Number(tvSec) + Number(tvUsec) / 1e6;
const timeval = (ns: bigint): Timeval =>
  create(TimevalSchema, { tvSec: ns / 1_000_000_000n, tvUsec: (ns / 1000n) % 1_000_000n });

function createNode(path: string, { mode, rdev, symlnkTarget }: GhostFileEntry): void {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) mkdirSync(path, 0o700);
  else if (type === S_IFLNK) symlinkSync(symlnkTarget, path);
  else sys.mknodat(AT_FDCWD, path, type | 0o600, BigInt(rdev));
}
