// Ghost files: files without a name that are still open. Their contents go into ghost-file-N.img, remap-fpath.img says which file
// entry is which ghost. restored.ts makes them again.

import { closeSync, openSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import {
  GhostChunkEntrySchema,
  GhostFileEntrySchema,
  RemapFilePathEntrySchema,
  RemapType,
  type Timeval,
  TimevalSchema,
} from "../../../images/format/entries.js";
import { SEEK_DATA, SEEK_HOLE } from "../../../kernel/abi/fcntl.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { kernelDevice } from "../../../kernel/device.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { DumpContext, OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { WriteLeases } from "./leases.js";
import { LinkRemaps } from "./links.js";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
/** From this size on contents are saved in chunks, without their holes: three pages, as CRIU does. */
const CHUNKED_FROM_BYTES = 12288n;
const BUFFER_BYTES = 256 * 1024;

/** The ghosts of one dump. */
export class Ghosts {
  readonly #ids = new Map<string, number>();
  readonly #remaps: { readonly origId: number; readonly remapId: number; readonly remapType: RemapType }[] = [];

  /** Contents that were not copied, because they are only explained. */
  leftOutBytes = 0;

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
    this.#remaps.push({ origId: fileId, remapId: id, remapType: RemapType.GHOST });
  }

  /** The file is below /proc of a task that is gone. */
  addDeadTask(pid: number, fileId: number): void {
    this.#remaps.push({ origId: fileId, remapId: pid, remapType: RemapType.PROCFS });
  }

  /** remap-fpath.img, when all files are known. */
  write(): void {
    const entries = this.#remaps.map((remap) => create(RemapFilePathEntrySchema, remap));
    this.context.images.writeLater("remap-fpath", undefined, [...entries, ...this.context.once(LinkRemaps).remaps]);
  }

  #save(file: OpenFile, id: number): void {
    const { stat, duplicate, subject } = file;
    const mode = Number(stat.mode);
    const isRegular = (mode & S_IFMT) === S_IFREG;
    const size = stat.size;
    if (isRegular) this.#checkReadable(file);
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
    if (this.context.isRunning) {
      this.leftOutBytes += isRegular ? Number(stat.blocks * 512n) : 0;
      return;
    }
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

  #checkReadable(file: OpenFile): void {
    const { subject, stat } = file;
    if (this.context.once(WriteLeases).isHeldOn(file))
      throw refuseFile(
        subject,
        "it was deleted, and a write lease is held on it, which would break when its contents are read",
        "have the program release the lease",
      );
    const { ghostLimitBytes } = this.context.options;
    const allocated = stat.blocks * 512n;
    if (allocated <= BigInt(ghostLimitBytes)) return;
    throw refuseFile(
      subject,
      `it was deleted and holds ${allocated} bytes, more than the limit of ${ghostLimitBytes} for what goes into the images`,
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

/** What the symbolic link behind an O_PATH descriptor points to: readlinkat(2) with an empty path. */
function linkTarget(link: Fd): string {
  const target = Buffer.alloc(4096);
  return target.toString("utf8", 0, sys.readlinkat(link, "", target, target.byteLength));
}

const timeval = (ns: bigint): Timeval =>
  create(TimevalSchema, { tvSec: ns / 1_000_000_000n, tvUsec: (ns / 1000n) % 1_000_000n });
