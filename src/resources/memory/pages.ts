// The contents of private memory: which pages to save (PAGEMAP_SCAN) and the copy of them into pages-N.img.
import { VmaStatus } from "../../images/format/numbers.js";
import { PagemapFlag } from "../../images/format/pagemap.js";
import type { PagesWriter } from "../../images/pages/write.js";
import { MAP, PAGE_SIZE } from "../../kernel/abi/mman.js";
import { asAddress, type Fd } from "../../kernel/brand.js";
import { CATEGORY, type PageFilter, scanPages, tellsGuardPages } from "../../kernel/proc/pagemap.js";
import type { TargetMemory } from "../../tracee/memory.js";
import type { PagePiece, PagePipes } from "../../tracee/page-pipes.js";
import type { SetAside } from "./aside.js";
import type { SavedVma } from "./packed-vmas.js";

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
  /** Told after each turn. */
  readonly moved?: (bytes: number) => void;
  /** A faster way, for a process with much memory. */
  readonly pipes?: PagePipes | undefined;
}

/** Cache-sized: larger buffers were slower. */
const BUFFER_BYTES = 256 * 1024;
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

const is = ({ status }: SavedVma, bits: number) => (status & bits) !== 0;

/** The pages of mappings that hold something which is neither in a file nor all zero. */
export function* pagesToSave(pagemap: Fd, vmas: readonly SavedVma[]): Generator<PageRange> {
  let neighbours: SavedVma[] = [];
  for (const vma of vmas) {
    if (isLookedThrough(vma)) {
      neighbours.push(vma);
      continue;
    }
    yield* pagesOf(pagemap, neighbours);
    neighbours = [];
    if (is(vma, VmaStatus.AREA_VDSO | VmaStatus.AREA_AIORING))
      yield { start: vma.start, end: vma.end, flags: PagemapFlag.PRESENT };
  }
  yield* pagesOf(pagemap, neighbours);
}

/** What may vanish at any time need not be saved: mmap(2) MAP_DROPPABLE. */
function isLookedThrough(vma: SavedVma): boolean {
  const isPrivate = is(vma, VmaStatus.ANON_PRIVATE | VmaStatus.FILE_PRIVATE);
  return isPrivate && !is(vma, VmaStatus.AREA_VDSO | VmaStatus.AREA_VVAR) && (vma.flags & MAP.MAP_DROPPABLE) === 0;
}

/** Looks through mappings between which there is no other in one go. What is of none of them is ours: tracee/foothold.ts. */
function* pagesOf(pagemap: Fd, vmas: readonly SavedVma[]): Generator<PageRange> {
  const [first] = vmas;
  const last = vmas.at(-1);
  if (first === undefined || last === undefined) return;
  let index = 0;
  for (const region of scanPages(pagemap, asAddress(first.start), asAddress(last.end), filterOf(pagemap))) {
    for (let at: bigint = region.start; at < region.end; ) {
      while ((vmas[index]?.end ?? region.end) <= at) index++;
      const vma = vmas[index];
      if (vma === undefined || vma.start >= region.end) break;
      const start = vma.start > at ? vma.start : at;
      at = least(vma.end, region.end);
      yield { start, end: at, flags: flagsOf(vma) };
    }
  }
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

function filterOf(pagemap: Fd): PageFilter {
  // A guard page shows as swapped out, and cannot be read.
  const notOurs = CATEGORY.FILE | CATEGORY.PFNZERO | (tellsGuardPages(pagemap) ? CATEGORY.GUARD : 0n);
  return { required: notOurs, inverted: notOurs, anyOf: CATEGORY.PRESENT | CATEGORY.SWAPPED };
}

function flagsOf(vma: SavedVma): number {
  const isLazy = is(vma, VmaStatus.ANON_PRIVATE) && (vma.flags & MAP.MAP_LOCKED) === 0;
  return PagemapFlag.PRESENT | (isLazy ? PagemapFlag.LAZY : 0);
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
    this.source.moved?.(this.#gathered);
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
        const place = buffer.subarray(filled, filled + Math.min(lengthBytes - done, BUFFER_BYTES - filled));
        this.#read(start + BigInt(done), place);
        done += place.byteLength;
        filled += place.byteLength;
        if (filled < BUFFER_BYTES) continue;
        this.writer.append(buffer);
        filled = 0;
      }
    }
    this.writer.append(buffer.subarray(0, filled));
  }

  #read(start: bigint, place: Uint8Array): void {
    const { aside, memory } = this.source;
    if (aside?.readInto(start, place) !== true) memory.readInto(asAddress(start), place);
  }
}
