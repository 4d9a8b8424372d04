// The contents of private memory: which pages to save (PAGEMAP_SCAN) and the copy of them into pages-N.img.
import type { VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { PagemapFlag } from "../../images/format/pagemap.js";
import type { PagesWriter } from "../../images/pages/write.js";
import { MAP, PAGE_SIZE } from "../../kernel/abi/mman.js";
import { asAddress, type Fd } from "../../kernel/brand.js";
import { CATEGORY, scanPages, tellsGuardPages } from "../../kernel/proc/pagemap.js";
import type { TargetMemory } from "../../tracee/memory.js";
import type { PagePiece, PagePipes } from "../../tracee/page-pipes.js";
import type { SetAside } from "./aside.js";

/** One run of pages to be saved. */
export interface PageRange {
  readonly start: bigint;
  readonly end: bigint;
  readonly flags: number;
}

/** Where the contents are read from. /proc/PID/mem leaves the sharing of pages as it is; process_vm_readv(2) would not: it pins them. */
export interface PageSource {
  readonly memory: TargetMemory;
  /** Pieces that it has are taken from there. */
  readonly aside?: SetAside;
  /** A faster way, for a process with much memory. */
  readonly pipes?: PagePipes | undefined;
}

/** Cache-sized: larger buffers were slower. */
const BUFFER_BYTES = 256 * 1024;

/** The pages of one mapping that hold something which is neither in a file nor all zero. */
export function* pagesToSave(pagemap: Fd, vma: VmaEntry): Generator<PageRange> {
  const is = (bit: number) => (vma.status & bit) !== 0;
  if (is(VmaStatus.AREA_VDSO | VmaStatus.AREA_AIORING))
    return yield { start: vma.start, end: vma.end, flags: PagemapFlag.PRESENT };
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

/** Gathers pieces of memory until there is enough for one turn. */
class PageCopy {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #pieces: PagePiece[] = [];
  #gathered = 0;
  #pipes: PagePipes | undefined;

  constructor(
    readonly source: PageSource,
    readonly writer: PagesWriter,
  ) {
    this.#pipes = source.pipes;
  }

  add(start: bigint, end: bigint): void {
    for (let at = start; at < end; ) {
      const turn = this.#pipes?.capacityBytes ?? BUFFER_BYTES;
      const lengthBytes = Math.min(turn - this.#gathered, Number(end - at));
      this.#pieces.push({ start: at, lengthBytes });
      this.#gathered += lengthBytes;
      at += BigInt(lengthBytes);
      if (this.#gathered >= turn) this.flush();
    }
  }

  flush(): void {
    if (this.#gathered > 0 && !this.#byPipes()) this.#byBuffer();
    this.#pieces = [];
    this.#gathered = 0;
  }

  #byPipes(): boolean {
    const { aside } = this.source;
    if (this.#pipes === undefined || this.#pieces.some(({ start }) => aside?.has(start))) return false;
    const moved = this.#pipes.move(this.#pieces, (pipe, lengthBytes) => this.writer.appendFrom(pipe, lengthBytes));
    if (!moved) this.#pipes = undefined;
    return moved;
  }

  #byBuffer(): void {
    let filled = 0;
    for (const { start, lengthBytes } of this.#pieces) {
      for (let done = 0; done < lengthBytes; ) {
        const place = this.#buffer.subarray(filled, filled + Math.min(lengthBytes - done, BUFFER_BYTES - filled));
        this.#read(start + BigInt(done), place);
        done += place.byteLength;
        filled += place.byteLength;
        if (filled < BUFFER_BYTES) continue;
        this.writer.append(this.#buffer);
        filled = 0;
      }
    }
    this.writer.append(this.#buffer.subarray(0, filled));
  }

  #read(start: bigint, place: Uint8Array): void {
    const { aside, memory } = this.source;
    if (aside?.readInto(start, place) !== true) memory.readInto(asAddress(start), place);
  }
}
