// Shared anonymous memory: an unlinked tmpfs file that processes map, mm/shmem.c. Saved once, whoever maps it;
// pagemap-shmem-ID.img, where ID is the inode number.
import { closeSync, fstatSync, openSync } from "node:fs";
import type { ImageDirectory } from "../../images/directory.js";
import { PagemapFlag } from "../../images/format/pagemap.js";
import type { PageRange } from "../../images/pages/read.js";
import { PagesWriter } from "../../images/pages/write.js";
import { O, SEEK_DATA, SEEK_HOLE } from "../../kernel/abi/fcntl.js";
import { MAP, PAGE_SIZE, PROT } from "../../kernel/abi/mman.js";
import { AT_FDCWD, asFd, type Fd, NO_FD, NULL } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import type { Mapping } from "../../kernel/proc/maps.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpedProcess, SharedMemoryRegister } from "../kind.js";
import { mapFilesPath } from "./mapped-file.js";

const BUFFER_BYTES = 512 * 1024;

interface SharedObject {
  readonly id: bigint;
  /** Ours, for reading the contents. */
  readonly fd: Fd;
  /** How far the mappings that we saw reach, in bytes; the object's own size is at most that on restore. */
  sizeBytes: bigint;
}

/** The shared anonymous memory of a tree. Dispose it when the contents are saved. */
export class SharedMemory implements SharedMemoryRegister, Disposable {
  readonly #objects = new Map<bigint, SharedObject>();

  register(process: DumpedProcess, mapping: Mapping): bigint {
    const id = mapping.inode;
    const known = this.#objects.get(id);
    const reach = mapping.offset + (mapping.end - mapping.start);
    if (known !== undefined) {
      if (reach > known.sizeBytes) known.sizeBytes = reach;
      return id;
    }
    const fd = openSync(mapFilesPath(process, mapping), "r");
    this.#objects.set(id, { id, fd: asFd(fd), sizeBytes: BigInt(fstatSync(fd).size) });
    return id;
  }

  /** Saves the contents of each object; the tasks must be stopped. Result: pages written. */
  save(images: ImageDirectory, nextPagesId: () => number): bigint {
    let pages = 0n;
    for (const object of this.#objects.values()) pages += saveObject(images, object, nextPagesId);
    return pages;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#objects.values()) closeSync(fd);
    this.#objects.clear();
  }
}

/** In the image the address of a page is its offset in the object. */
function saveObject(images: ImageDirectory, { id, fd, sizeBytes }: SharedObject, nextPagesId: () => number): bigint {
  const writer = new PagesWriter(images, { pagemap: "pagemap-shmem", id, pagesId: nextPagesId() });
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  let pages = 0n;
  for (const { start, end } of dataIn(fd, sizeBytes)) {
    writer.add(start, (end - start) / PAGE_SIZE, PagemapFlag.PRESENT);
    pages += (end - start) / PAGE_SIZE;
    for (let at = start; at < end; ) {
      const wanted = Math.min(BUFFER_BYTES, Number(end - at));
      const count = sys.pread64(fd, buffer, wanted, at);
      if (count === 0) throw new RangeError(`shared memory ${id} shrank while it was read`);
      writer.append(buffer.subarray(0, count));
      at += BigInt(count);
    }
  }
  writer.close();
  return pages;
}

/** The parts of a tmpfs file that hold pages: lseek(2) SEEK_DATA and SEEK_HOLE; never-touched pages stay holes. */
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

/** Shared memory made again, in our own process; tasks fetch it from there as a file. */
export class RestoredSharedMemory implements Disposable {
  readonly #objects = new Map<bigint, Fd>();

  constructor(
    private readonly images: ImageDirectory,
    /** How large each object must be, in bytes: as far as any mapping of it reaches. */
    private readonly sizes: ReadonlyMap<bigint, bigint>,
  ) {}

  /** Our descriptor for the object; it has its contents. */
  fd(id: bigint): Fd {
    const known = this.#objects.get(id);
    if (known !== undefined) return known;
    const fd = makeObject(this.sizes.get(id) ?? 0n);
    this.#objects.set(id, fd);
    using pages = this.images.pagesReader("pagemap-shmem", id);
    for (const range of pages.ranges()) if (range.source === "file") copyRange(range, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#objects.values()) sys.close(fd);
    this.#objects.clear();
  }
}

/** The kernel makes the object for a shared anonymous mapping; /proc/self/map_files gives a descriptor for it. */
function makeObject(sizeBytes: bigint): Fd {
  const at = sys.mmap(NULL, sizeBytes, PROT.PROT_READ | PROT.PROT_WRITE, MAP.MAP_SHARED | MAP.MAP_ANONYMOUS, NO_FD, 0n);
  try {
    const name = `${at.toString(16)}-${(at + sizeBytes).toString(16)}`;
    return sys.openat(AT_FDCWD, `/proc/self/map_files/${name}`, O.O_RDWR | O.O_CLOEXEC, 0);
  } finally {
    sys.munmap(at, sizeBytes);
  }
}

function copyRange({ fd, fileOffset, vaddr, pageCount }: PageRange & { readonly source: "file" }, to: Fd): void {
  const buffer = Buffer.allocUnsafeSlow(Math.min(BUFFER_BYTES, pageCount * Number(PAGE_SIZE)));
  const total = pageCount * Number(PAGE_SIZE);
  for (let done = 0; done < total; ) {
    const count = sys.pread64(fd, buffer, Math.min(buffer.byteLength, total - done), BigInt(fileOffset + done));
    if (count === 0) throw new RangeError("the pages file ends early");
    done += sys.pwrite64(to, buffer, count, vaddr + BigInt(done));
  }
}
