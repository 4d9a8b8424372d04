// The contents of shared memory: files without a name in tmpfs or hugetlbfs (mm/shmem.c, fs/hugetlbfs), which several processes map or
// have open. Saved once, whoever has them: pagemap-shmem-ID.img, where the address of a page is its offset in the object.
import { closeSync, openSync } from "node:fs";
import type { ImageDirectory } from "../../images/directory.js";
import { PagemapFlag } from "../../images/format/pagemap.js";
import { PagesWriter } from "../../images/pages/write.js";
import { SEEK_DATA, SEEK_HOLE } from "../../kernel/abi/fcntl.js";
import { MAP, PAGE_SIZE, PROT } from "../../kernel/abi/mman.js";
import { asFd, asPid, type Fd, NULL } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { TargetMemory } from "../../tracee/memory.js";
import type { SharedMemoryRegister, SharedObject } from "../kind.js";

const BUFFER_BYTES = 512 * 1024;

/** The shared memory of a tree. Dispose it when the contents are saved. */
export class SharedMemory implements SharedMemoryRegister, Disposable {
  readonly #objects = new Map<bigint, SharedObject & { readonly fd: Fd }>();

  add(object: SharedObject): void {
    const fd = asFd(openSync(object.path, "r"));
    this.#objects.set(object.id, { ...object, fd });
  }

  /** Saves the contents of each object; the tasks must be stopped. Result: pages written. */
  save(images: ImageDirectory, nextPagesId: () => number): bigint {
    let pages = 0n;
    for (const object of this.#objects.values())
      if (object.sizeBytes > 0n) pages += saveObject(images, object, nextPagesId());
    return pages;
  }

  /** How much of it there is; tasks that run may change that. */
  dataBytes(): bigint {
    let bytes = 0n;
    for (const { fd, sizeBytes } of this.#objects.values())
      if (sizeBytes > 0n) for (const { start, end } of dataIn(fd, sizeBytes)) bytes += end - start;
    return bytes;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#objects.values()) closeSync(fd);
    this.#objects.clear();
  }
}

function saveObject(images: ImageDirectory, object: SharedObject & { readonly fd: Fd }, pagesId: number): bigint {
  const { id, fd, sizeBytes } = object;
  const writer = new PagesWriter(images, { pagemap: "pagemap-shmem", id, pagesId });
  const buffer = Buffer.alloc(BUFFER_BYTES);
  for (const { start, end } of dataIn(fd, sizeBytes)) {
    for (let at = start; at < end; at += BigInt(BUFFER_BYTES)) {
      const wanted = Math.min(BUFFER_BYTES, Number(end - at));
      const bytes = readAt(object, buffer.subarray(0, wanted), at);
      if (object.hugePageBytes !== undefined && isZero(bytes)) continue;
      writer.add(at, wanted / Number(PAGE_SIZE), PagemapFlag.PRESENT);
      writer.append(bytes);
    }
  }
  writer.close();
  return BigInt(writer.presentPages);
}

/** Fills the buffer. In the page where the file ends, there may be something behind its end: mappings show it, read(2) does not. */
function readAt({ fd, id, sizeBytes }: SharedObject & { readonly fd: Fd }, buffer: Buffer, at: bigint): Buffer {
  const wholePages = sizeBytes & -PAGE_SIZE;
  const there = wholePages - at < BigInt(buffer.length) ? Number(wholePages - at) : buffer.length;
  for (let done = 0; done < there; ) {
    const count = sys.pread64(fd, buffer.subarray(done), there - done, at + BigInt(done));
    if (count === 0) throw new RangeError(`shared memory ${id} shrank while it was read`);
    done += count;
  }
  if (there < buffer.length) readMapped(fd, wholePages, buffer.subarray(there));
  return buffer;
}

function readMapped(fd: Fd, offset: bigint, page: Buffer): void {
  const at = sys.mmap(NULL, PAGE_SIZE, PROT.PROT_READ, MAP.MAP_SHARED, fd, offset);
  try {
    using memory = new TargetMemory(asPid(process.pid));
    memory.readInto(at, page);
  } finally {
    sys.munmap(at, PAGE_SIZE);
  }
}

const zeros = Buffer.alloc(BUFFER_BYTES);
const isZero = (bytes: Buffer) => bytes.equals(zeros.subarray(0, bytes.length));

/**
 * The parts of the file that hold pages: lseek(2) SEEK_DATA and SEEK_HOLE; never-touched pages stay holes. hugetlbfs tells no holes: all
 * of a file is data.
 */
function* dataIn(fd: Fd, sizeBytes: bigint): Generator<{ start: bigint; end: bigint }> {
  for (let at = 0n; at < sizeBytes; ) {
    const start = unless("ENXIO", () => sys.lseek(fd, at, SEEK_DATA));
    if (start === undefined || start >= sizeBytes) return;
    const end = sys.lseek(fd, start, SEEK_HOLE);
    const pageEnd = (end + PAGE_SIZE - 1n) & -PAGE_SIZE;
    yield { start: start & -PAGE_SIZE, end: pageEnd };
    at = pageEnd;
  }
}
