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

/** Compares the images of child and parent, page by page, in the mappings `kept`; all three lists are in ascending order. */
export function differences(
  child: readonly PageRange[],
  parent: readonly PageRange[],
  kept: readonly Span[],
  comparison: Comparison,
): Differences {
  const write = new Ranges();
  const drop: Span[] = [];
  const [mine, theirs] = [new Cursor(child), new Cursor(parent)];
  for (const { start, end } of kept) {
    while (mine.at < start) write.push(mine.take(start));
    while (theirs.at < start) theirs.take(start);
    while (mine.at < end || theirs.at < end) {
      if (mine.at < theirs.at) write.push(mine.take(least(theirs.at, end)));
      else if (mine.at > theirs.at) {
        const range = theirs.take(least(mine.at, end));
        drop.push({ start: range.vaddr, end: endOf(range) });
      } else {
        const until = least(least(mine.end, theirs.end), end);
        comparison.addDiffering(mine.take(until), theirs.take(until), write);
      }
    }
  }
  while (mine.at < NOWHERE) write.push(mine.take(NOWHERE));
  return { write: write.list, drop };
}

const endOf = ({ vaddr, pageCount }: PageRange) => vaddr + BigInt(pageCount) * PAGE_SIZE;
const least = (a: bigint, b: bigint) => (a < b ? a : b);
/** Where a cursor is that has gone through everything. */
const NOWHERE = 1n << 64n;

/** Goes through pages in ascending order. */
class Cursor {
  /** The address of the next page, and the end of the range that it is in. */
  at = NOWHERE;
  end = NOWHERE;
  #rest: PageRange | undefined;
  #index = 0;

  constructor(private readonly ranges: readonly PageRange[]) {
    this.#goTo(ranges[0]);
  }

  /** What is left of the range, up to `until`. Preconditions: `at` < `until`. */
  take(until: bigint): PageRange {
    const rest = this.#rest;
    if (rest === undefined) throw new RangeError("there are no pages any more");
    const isWhole = this.end <= until;
    this.#goTo(isWhole ? this.ranges[++this.#index] : slice(rest, until, this.end));
    return isWhole ? rest : slice(rest, rest.vaddr, until);
  }

  #goTo(range: PageRange | undefined): void {
    this.#rest = range;
    this.at = range?.vaddr ?? NOWHERE;
    this.end = range === undefined ? NOWHERE : endOf(range);
  }
}

/** The pages [start, end) of a range. */
function slice(range: PageRange, start: bigint, end: bigint): PageRange {
  const piece = { ...range, vaddr: start, pageCount: Number((end - start) / PAGE_SIZE) };
  return piece.source === "file" ? { ...piece, fileOffset: piece.fileOffset + Number(start - range.vaddr) } : piece;
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

  /** Adds the pages of `mine` whose content is not that of `theirs`; both are as long. Pages still to be fetched differ. */
  addDiffering(mine: PageRange, theirs: PageRange, found: Ranges): void {
    if (mine.source !== "file" || theirs.source !== "file") {
      found.push(mine);
      return;
    }
    const lengthBytes = mine.pageCount * PAGE_BYTES;
    for (let from = 0; from < lengthBytes; from += STEP_BYTES) {
      const stepBytes = Math.min(STEP_BYTES, lengthBytes - from);
      const a = this.#mine.read(mine.fd, mine.fileOffset + from, stepBytes);
      const b = this.#theirs.read(theirs.fd, theirs.fileOffset + from, stepBytes);
      if (a.equals(b)) continue;
      for (let page = 0; page < stepBytes; page += PAGE_BYTES) {
        if (a.compare(b, page, page + PAGE_BYTES, page, page + PAGE_BYTES) === 0) continue;
        const at = mine.vaddr + BigInt(from + page);
        found.push(slice(mine, at, at + PAGE_SIZE));
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
