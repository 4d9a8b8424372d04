// Memory that a child has from its parent: fork(2) shares private pages until one of the two writes to them. A restored child is forked
// from its restored parent, so what both have alike is shared again; the rest is written, or taken away.
//
// Which pages were shared is not in the images. Pages with the same content at the same address of the same mapping are taken for it.
import { Buffer } from "node:buffer";
import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import type { PageRange } from "../../images/pages/read.js";
import { MADV, MAP, PAGE_SIZE } from "../../kernel/abi/mman.js";
import type { Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";

const PAGE_BYTES = Number(PAGE_SIZE);
const STEP_BYTES = 256 * 1024;
/** What a parent has in common with its children is mostly read once for many of them. */
const PARENT_BYTES = 2 << 20;
const NOT_PRIVATE = VmaStatus.AREA_VSYSCALL | VmaStatus.AREA_VDSO | VmaStatus.AREA_VVAR | VmaStatus.AREA_GUARD;
/** What a fork does not hand on, or empties. */
const NOT_INHERITED = (1n << BigInt(MADV.MADV_DONTFORK)) | (1n << BigInt(MADV.MADV_WIPEONFORK));

export interface Span {
  readonly start: bigint;
  readonly end: bigint;
}

/** What must change in a forked address space: pages to read in, and pages of the parent that the child does not have. */
export interface Differences {
  readonly write: readonly PageRange[];
  readonly drop: readonly Span[];
}

/** The private mappings of a child that its parent has too, as the child's entries. */
export function inheritedVmas(child: MmEntry, parent: MmEntry): VmaEntry[] {
  const theirs = parent.vmas.filter(isInheritable);
  let at = 0;
  // Both ascend.
  return child.vmas.filter((vma) => {
    if (!isInheritable(vma)) return false;
    while ((theirs[at]?.start ?? vma.start) < vma.start) at++;
    return isSameMapping(vma, theirs[at]);
  });
}

function isInheritable({ status, flags, madv }: VmaEntry): boolean {
  return (
    (status & (VmaStatus.ANON_PRIVATE | VmaStatus.FILE_PRIVATE)) !== 0 &&
    (status & NOT_PRIVATE) === 0 &&
    (flags & (MAP.MAP_DROPPABLE | MAP.MAP_HUGETLB)) === 0 &&
    (madv & NOT_INHERITED) === 0n
  );
}

/** Protection, advice and locks are set afterwards, in each task by itself. */
function isSameMapping(mine: VmaEntry, theirs: VmaEntry | undefined): boolean {
  if (mine === theirs) return true;
  return (
    theirs !== undefined &&
    mine.start === theirs.start &&
    mine.end === theirs.end &&
    mine.pgoff === theirs.pgoff &&
    mine.shmid === theirs.shmid &&
    ((mine.flags ^ theirs.flags) & ~MAP.MAP_LOCKED) === 0 &&
    mine.status === theirs.status
  );
}

/** Compares the images of child and parent, page by page, in the mappings `kept`; both lists of ranges are in ascending order. */
export function differences(
  child: readonly PageRange[],
  parent: readonly PageRange[],
  kept: readonly Span[],
  comparison: Comparison,
): Differences {
  const write = new Ranges();
  const theirs = new Cursor(parent);
  for (const { range, isKept } of cut(child, kept)) {
    if (!isKept) write.push(range);
    else
      for (const { piece, counterpart } of theirs.against(range)) {
        if (counterpart === undefined) write.push(piece);
        else for (const differing of comparison.differing(piece, counterpart)) write.push(differing);
      }
  }
  const drop: Span[] = [];
  const mine = new Cursor(child);
  for (const { range, isKept } of cut(parent, kept)) {
    if (!isKept) continue;
    for (const { piece, counterpart } of mine.against(range))
      if (counterpart === undefined) drop.push({ start: piece.vaddr, end: endOf(piece) });
  }
  return { write: write.list, drop };
}

const endOf = ({ vaddr, pageCount }: PageRange) => vaddr + BigInt(pageCount) * PAGE_SIZE;
const least = (a: bigint, b: bigint) => (a < b ? a : b);
const most = (a: bigint, b: bigint) => (a > b ? a : b);

/** The pages [start, end) of a range. */
function slice(range: PageRange, start: bigint, end: bigint): PageRange {
  if (start === range.vaddr && end === endOf(range)) return range;
  const piece = { ...range, vaddr: start, pageCount: Number((end - start) / PAGE_SIZE) };
  return piece.source === "file" ? { ...piece, fileOffset: piece.fileOffset + Number(start - range.vaddr) } : piece;
}

/** Cuts ranges at the bounds of spans; both ascend. */
function* cut(ranges: readonly PageRange[], spans: readonly Span[]): Generator<{ range: PageRange; isKept: boolean }> {
  let index = 0;
  for (const range of ranges) {
    const end = endOf(range);
    for (let at = range.vaddr; at < end; ) {
      while ((spans[index]?.end ?? end) <= at) index++;
      const span = spans[index];
      const isKept = span !== undefined && span.start <= at;
      const until = least(end, (isKept ? span.end : span?.start) ?? end);
      yield { range: slice(range, at, until), isKept };
      at = until;
    }
  }
}

/** Looks up, in ascending order, what a list of ranges has for the pages of another. */
class Cursor {
  #index = 0;

  constructor(readonly ranges: readonly PageRange[]) {}

  *against(range: PageRange): Generator<{ piece: PageRange; counterpart: PageRange | undefined }> {
    const end = endOf(range);
    for (let at = range.vaddr; at < end; ) {
      for (
        let next = this.ranges[this.#index];
        next !== undefined && endOf(next) <= at;
        next = this.ranges[this.#index]
      )
        this.#index++;
      const found = this.ranges[this.#index];
      const covers = found !== undefined && found.vaddr <= at;
      const until = found === undefined ? end : least(end, covers ? endOf(found) : most(at, found.vaddr));
      yield { piece: slice(range, at, until), counterpart: covers ? slice(found, at, until) : undefined };
      at = until;
    }
  }
}

/** Part of a pages file. Ranges lie in it one after the other: most are there already when they are asked for. */
class Window {
  #fd: Fd | undefined;
  #start = 0;
  #end = 0;

  constructor(private readonly buffer: Buffer) {}

  /** The bytes from `offset` on, until the next call. Throws RangeError when the file ends before. */
  read(fd: Fd, offset: number, lengthBytes: number): Buffer {
    if (fd !== this.#fd || offset < this.#start || offset + lengthBytes > this.#end)
      this.#move(fd, offset, lengthBytes);
    return this.buffer.subarray(offset - this.#start, offset - this.#start + lengthBytes);
  }

  #move(fd: Fd, offset: number, leastBytes: number): void {
    let done = 0;
    while (done < leastBytes) {
      const count = sys.pread64(fd, this.buffer.subarray(done), this.buffer.length - done, BigInt(offset + done));
      if (count === 0) throw new RangeError("the pages file ends early");
      done += count;
    }
    this.#fd = fd;
    this.#start = offset;
    this.#end = offset + done;
  }
}

/** For all: a tree of a thousand processes compares as many images. */
let buffers: readonly [Buffer, Buffer] | undefined;

/** Of pages files that stay open meanwhile: one at a time. */
export class Comparison {
  readonly #mine: Window;
  readonly #theirs: Window;

  constructor() {
    buffers ??= [Buffer.allocUnsafeSlow(STEP_BYTES), Buffer.allocUnsafeSlow(PARENT_BYTES)];
    this.#mine = new Window(buffers[0]);
    this.#theirs = new Window(buffers[1]);
  }

  /** The pages of `mine` whose content is not that of `theirs`; both are as long. Pages still to be fetched differ. */
  *differing(mine: PageRange, theirs: PageRange): Generator<PageRange> {
    if (mine.source !== "file" || theirs.source !== "file") return yield mine;
    const step = BigInt(STEP_BYTES);
    for (let at = mine.vaddr; at < endOf(mine); at += step) {
      const lengthBytes = Number(least(endOf(mine), at + step) - at);
      const shift = Number(at - mine.vaddr);
      const a = this.#mine.read(mine.fd, mine.fileOffset + shift, lengthBytes);
      const b = this.#theirs.read(theirs.fd, theirs.fileOffset + shift, lengthBytes);
      if (a.equals(b)) continue;
      for (let page = 0; page < a.length; page += PAGE_BYTES) {
        if (a.compare(b, page, page + PAGE_BYTES, page, page + PAGE_BYTES) === 0) continue;
        yield slice(mine, at + BigInt(page), at + BigInt(page) + PAGE_SIZE);
      }
    }
  }
}

/** A list in which neighbours in memory and file are one. */
class Ranges {
  readonly list: PageRange[] = [];

  push(range: PageRange): void {
    const last = this.list.at(-1);
    const isNext =
      last?.source === "file" &&
      range.source === "file" &&
      endOf(last) === range.vaddr &&
      last.fd === range.fd &&
      last.flags === range.flags &&
      last.fileOffset + last.pageCount * PAGE_BYTES === range.fileOffset;
    if (isNext) this.list[this.list.length - 1] = { ...last, pageCount: last.pageCount + range.pageCount };
    else this.list.push(range);
  }
}
