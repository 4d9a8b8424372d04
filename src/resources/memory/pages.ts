// The contents of private memory: which pages to save (PAGEMAP_SCAN) and the copy of them into pages-N.img.
import type { VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { PagemapFlag } from "../../images/format/pagemap.js";
import type { PagesWriter } from "../../images/pages/write.js";
import { MAP, PAGE_SIZE } from "../../kernel/abi/mman.js";
import { iovec } from "../../kernel/abi/ptrace.js";
import { UIO_MAXIOV } from "../../kernel/abi/uio.js";
import { asAddress, type Fd, type Pid } from "../../kernel/brand.js";
import { addressOf } from "../../kernel/call.js";
import { unless } from "../../kernel/errno.js";
import { CATEGORY, scanPages, tellsGuardPages } from "../../kernel/proc/pagemap.js";
import { sys } from "../../kernel/syscalls.js";
import { TargetMemory } from "../../tracee/memory.js";

/** One run of pages to be saved. */
export interface PageRange {
  readonly start: bigint;
  readonly end: bigint;
  readonly flags: number;
}

/** Where the contents are read from; pieces that `aside` has are taken from there. */
export type PageSource =
  /** process_vm_readv: fastest, but pins pages and so un-shares what a fork shares copy-on-write. For a target about to be killed. */
  | { readonly by: "process_vm_readv"; readonly pid: Pid }
  /** /proc/PID/mem: leaves sharing as it is. */
  | {
      readonly by: "mem";
      readonly memory: TargetMemory;
      readonly aside?: { readInto(start: bigint, bytes: Uint8Array): boolean };
    };

/** Cache-sized: larger buffers were slower. */
const BUFFER_BYTES = 512 * 1024;

/** The pages of one mapping that hold something which is neither in a file nor all zero. */
export function* pagesToSave(pagemap: Fd, vma: VmaEntry): Generator<PageRange> {
  const is = (bit: number) => (vma.status & bit) !== 0;
  if (is(VmaStatus.AREA_VDSO)) return yield { start: vma.start, end: vma.end, flags: PagemapFlag.PRESENT };
  if (!is(VmaStatus.ANON_PRIVATE | VmaStatus.FILE_PRIVATE) || is(VmaStatus.AREA_VVAR)) return;
  // What may vanish at any time need not be saved: mmap(2) MAP_DROPPABLE.
  if ((vma.flags & MAP.MAP_DROPPABLE) !== 0) return;
  const lazy = is(VmaStatus.ANON_PRIVATE) && (vma.flags & MAP.MAP_LOCKED) === 0 ? PagemapFlag.LAZY : 0;
  const flags = PagemapFlag.PRESENT | lazy;
  // A guard page shows as swapped out, and cannot be read.
  const notOurs = CATEGORY.FILE | CATEGORY.PFNZERO | (tellsGuardPages(pagemap) ? CATEGORY.GUARD : 0n);
  const wanted = { required: notOurs, inverted: notOurs, anyOf: CATEGORY.PRESENT | CATEGORY.SWAPPED };
  for (const { start, end } of scanPages(pagemap, asAddress(vma.start), asAddress(vma.end), wanted))
    yield { start, end, flags };
  return;
}

/** Copies ranges, in order, into the pages file; the memory used is one buffer whatever their size. Result: pages written. */
export function savePages(ranges: Iterable<PageRange>, source: PageSource, writer: PagesWriter): bigint {
  const copy = new PageCopy(source, writer);
  let pages = 0n;
  for (const range of ranges) {
    writer.add(range.start, (range.end - range.start) / PAGE_SIZE, range.flags);
    copy.add(range.start, range.end);
    pages += (range.end - range.start) / PAGE_SIZE;
  }
  copy.flush();
  return pages;
}

/** Gathers pieces of memory until the buffer is full, then reads and writes them at once. */
class PageCopy {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #pieces: { start: bigint; lengthBytes: number }[] = [];
  #filled = 0;

  constructor(
    readonly source: PageSource,
    readonly writer: PagesWriter,
  ) {}

  add(start: bigint, end: bigint): void {
    for (let at = start; at < end; ) {
      const lengthBytes = Math.min(BUFFER_BYTES - this.#filled, Number(end - at));
      this.#pieces.push({ start: at, lengthBytes });
      this.#filled += lengthBytes;
      at += BigInt(lengthBytes);
      if (this.#filled === BUFFER_BYTES || this.#pieces.length === UIO_MAXIOV) this.flush();
    }
  }

  flush(): void {
    if (this.#filled === 0) return;
    const bytes = this.#buffer.subarray(0, this.#filled);
    if (this.source.by === "mem") this.#readByMem(this.source.memory, this.source.aside);
    else this.#readByVm(this.source.pid, bytes);
    this.writer.append(bytes);
    this.#pieces = [];
    this.#filled = 0;
  }

  #readByMem(memory: TargetMemory, aside: { readInto(start: bigint, bytes: Uint8Array): boolean } | undefined): void {
    let at = 0;
    for (const { start, lengthBytes } of this.#pieces) {
      const place = this.#buffer.subarray(at, at + lengthBytes);
      if (aside?.readInto(start, place) !== true) memory.readInto(asAddress(start), place);
      at += lengthBytes;
    }
  }

  #readByVm(pid: Pid, bytes: Uint8Array): void {
    const remote = new BigUint64Array(this.#pieces.length * 2);
    this.#pieces.forEach(({ start, lengthBytes }, index) => {
      remote[index * 2] = start;
      remote[index * 2 + 1] = BigInt(lengthBytes);
    });
    const local = iovec.encode({ iov_base: addressOf(bytes), iov_len: BigInt(bytes.byteLength) });
    const vector = new Uint8Array(remote.buffer);
    // Mappings without PROT_READ end the call early; /proc/PID/mem reads them all the same.
    const count = unless("EFAULT", () => sys.process_vm_readv(pid, local, 1, vector, this.#pieces.length, 0)) ?? 0;
    if (count !== bytes.byteLength) this.#readRest(pid, count);
  }

  #readRest(pid: Pid, count: number): void {
    using memory = new TargetMemory(pid);
    let at = 0;
    for (const { start, lengthBytes } of this.#pieces) {
      if (at + lengthBytes > count) memory.readInto(asAddress(start), this.#buffer.subarray(at, at + lengthBytes));
      at += lengthBytes;
    }
  }
}
