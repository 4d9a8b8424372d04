// Which pages an image holds and where they belong: pagemap-PID.img for an address space, pagemap-shmem-ID.img for a
// shared segment, whose "addresses" are offsets. Format: CRIU 4.2, criu/pagemap.c; older entries are brought up to it.
import { create, isFieldSet } from "@bufbuild/protobuf";
import { type PagemapEntry, PagemapEntrySchema, PagemapHeadSchema } from "./entries.js";
import { invalid, type Place } from "./fault.js";
import type { RecordReader } from "./record.js";

/** Of x86-64, and of the arm64 kernels that distributions build. */
export const PAGE_SIZE = 4096;

export const PagemapFlag = {
  /** The content is in the parent images, under the same id. */
  PARENT: 1,
  /** May be brought in on first touch, after the restore. */
  LAZY: 2,
  /** The content is in the pages file. */
  PRESENT: 4,
} as const;

/** Pages in a row with one fate. */
export interface PageRun {
  readonly vaddr: bigint;
  readonly pageCount: number;
  readonly flags: number;
}

const PAGE_SHIFT = 12n;
const ALL_PAGES = 2 ** 52;
const U32_MAX = 0xffff_ffff;
const fields = PagemapEntrySchema.field;

/** The entry for a run. Its length is written as CRIU 4.2 and as older ones read it; 4.2 itself leaves the old field 0. */
export function entryOf({ vaddr, pageCount, flags }: PageRun): PagemapEntry {
  const compatNrPages = pageCount <= U32_MAX ? pageCount : 0;
  return create(PagemapEntrySchema, { vaddr, compatNrPages, flags, nrPages: BigInt(pageCount) });
}

/**
 * The run that an entry of any age means.
 * @throws StasisError IMAGE_INVALID when it is empty, leaves the address space or contradicts itself
 */
export function runOf(entry: PagemapEntry, place: Place): PageRun {
  const count = isFieldSet(entry, fields.nrPages) ? entry.nrPages : BigInt(entry.compatNrPages);
  const at = `0x${entry.vaddr.toString(16)}`;
  if (entry.vaddr % BigInt(PAGE_SIZE) !== 0n) throw invalid(place, `its address ${at} is not that of a page`);
  if (count === 0n) throw invalid(place, `it has no pages at ${at}`);
  if ((entry.vaddr >> PAGE_SHIFT) + count > ALL_PAGES) throw invalid(place, `${count} pages from ${at} on cannot be`);
  return { vaddr: entry.vaddr, pageCount: Number(count), flags: flagsOf(entry, place) };
}

function flagsOf(entry: PagemapEntry, place: Place): number {
  // Until CRIU 3.4 there was in_parent alone.
  if (!isFieldSet(entry, fields.flags)) return entry.inParent ? PagemapFlag.PARENT : PagemapFlag.PRESENT;
  const flags = entry.inParent ? entry.flags | PagemapFlag.PARENT : entry.flags;
  const { PARENT, LAZY, PRESENT } = PagemapFlag;
  const known = PARENT | LAZY | PRESENT;
  const shown = `its flags are 0x${flags.toString(16)}`;
  if ((flags & ~known) !== 0) throw invalid(place, `${shown}, current flags are up to 0x${known.toString(16)}`);
  if ((flags & known) === 0) throw invalid(place, `${shown}: the pages are nowhere`);
  if (flags & PARENT && flags & PRESENT) throw invalid(place, `${shown}: the pages are here and in the parent`);
  return flags;
}

/** A growing column of numbers. */
class Column {
  #values = new Float64Array(64);
  #length = 0;
  push(value: number): void {
    if (this.#length === this.#values.length) {
      const wider = new Float64Array(this.#length * 2);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#length++] = value;
  }
  at(index: number): number {
    const value = index < this.#length ? this.#values[index] : undefined;
    if (value === undefined) throw new RangeError(`no row ${index} of ${this.#length}`);
    return value;
  }
  get length(): number {
    return this.#length;
  }
}

/**
 * A whole pagemap, for looking things up. Kept as columns of page numbers, 32 bytes a run: an image of 1 GiB whose
 * every other page is missing has 131,072 runs.
 */
export class Pagemap {
  readonly #first = new Column();
  readonly #count = new Column();
  readonly #flags = new Column();
  /** Page number in the pages file; of no meaning for runs that are not PRESENT. */
  readonly #stored = new Column();
  #storedPages = 0;
  #allFlags = 0;

  private constructor(
    readonly file: string,
    /** N of pages-N.img. */
    readonly pagesId: number,
  ) {}

  /**
   * Reads an image from its first record to its end.
   * @throws StasisError IMAGE_TRUNCATED, IMAGE_INVALID; in particular for runs that are not in ascending order
   */
  static read(reader: RecordReader<typeof PagemapEntrySchema>): Pagemap {
    const { pagesId } = reader.expect(PagemapHeadSchema);
    const pagemap = new Pagemap(reader.file, pagesId);
    for (const entry of reader) pagemap.#push(runOf(entry, reader.place), reader.place);
    return pagemap;
  }

  #push({ vaddr, pageCount, flags }: PageRun, place: Place): void {
    const first = Number(vaddr >> PAGE_SHIFT);
    if (this.length > 0 && first < this.endOf(this.length - 1)) {
      throw invalid(place, `the pages at 0x${vaddr.toString(16)} come after higher ones`);
    }
    this.#first.push(first);
    this.#count.push(pageCount);
    this.#flags.push(flags);
    this.#stored.push(this.#storedPages);
    this.#allFlags |= flags;
    if (flags & PagemapFlag.PRESENT) this.#storedPages += pageCount;
  }

  /** Number of runs. */
  get length(): number {
    return this.#first.length;
  }
  /** Length that the pages file has to have. */
  get storedBytes(): number {
    return this.#storedPages * PAGE_SIZE;
  }
  /** Whether the parent images are needed. */
  get hasParentPages(): boolean {
    return (this.#allFlags & PagemapFlag.PARENT) !== 0;
  }
  firstOf(run: number): number {
    return this.#first.at(run);
  }
  /** The page number after its last. */
  endOf(run: number): number {
    return this.#first.at(run) + this.#count.at(run);
  }
  flagsOf(run: number): number {
    return this.#flags.at(run);
  }
  /** Where in the pages file page number `page` of a PRESENT run is, in bytes. */
  offsetOf(run: number, page: number): number {
    return (this.#stored.at(run) + page - this.#first.at(run)) * PAGE_SIZE;
  }

  /** The first run that ends after `page`; `length` when there is none. */
  runFrom(page: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.endOf(middle) > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export const pageOf = (vaddr: bigint): number => Number(vaddr >> PAGE_SHIFT);
export const vaddrOf = (page: number): bigint => BigInt(page) << PAGE_SHIFT;
