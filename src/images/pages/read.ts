// Where the content of each page is: in this dump's pages file, in that of one of the dumps that it builds on, or still
// to be fetched. All of it is checked before the first page is restored. Format: CRIU 4.2, criu/pagemap.c.
import { closeSync } from "node:fs";
import { asFd, type Fd } from "../../kernel/brand.js";
import { StasisError } from "../../report/error.js";
import { invalid, truncated } from "../format/fault.js";
import { fileName, type ImageId, type RawName, type SchemaOf } from "../format/magic.js";
import { Pagemap, PagemapFlag, pageOf, vaddrOf } from "../format/pagemap.js";
import type { ImageReader } from "../reader.js";

export type PagemapName = "pagemap" | "pagemap-shmem";

/** Where pages are read from: a directory of images. */
export interface PagesDirectory {
  /** @throws StasisError IMAGE_MISSING */
  reader(name: PagemapName, id: ImageId): ImageReader<SchemaOf<PagemapName>> | undefined;
  /** The caller closes `fd`. */
  openRaw(name: RawName, id: ImageId): { readonly fd: Fd; readonly size: number } | undefined;
  parent(): PagesDirectory | undefined;
  /** The same for two ways to one directory. */
  identity(): string;
}

/** Pages in a row, and where their content is. */
export type PageRange = {
  readonly vaddr: bigint;
  readonly pageCount: number;
  /** PagemapFlag of the dump that holds them. */
  readonly flags: number;
} & (
  | {
      readonly source: "file";
      /** Open as long as the PagesReader is. */
      readonly fd: Fd;
      readonly fileOffset: number;
      /** For messages. */
      readonly file: string;
    }
  /** The dump left them where they were: lazy migration. */
  | { readonly source: "lazy" }
);

/** A dump may build on a dump, and so on; each keeps a file open. */
const MAX_GENERATIONS = 1000;
const CLOSED = asFd(-1);

/** The pages of one address space or shared segment. `using pages = PagesReader.open(images, "pagemap", pid)`. */
export class PagesReader implements Disposable {
  private constructor(
    private readonly pagemap: Pagemap,
    private readonly fd: Fd,
    private readonly parent: PagesReader | undefined,
  ) {
    this.#file = fileName("pages", pagemap.pagesId);
  }
  readonly #file: string;

  /**
   * Opens pagemap, pages file and, when they are needed, those of the parents.
   * @throws StasisError IMAGE_MISSING, IMAGE_TRUNCATED (a pages file too short), IMAGE_INVALID (a page that the
   * parents do not have, a circle of parents)
   */
  static open(images: PagesDirectory, name: PagemapName, id: number | bigint): PagesReader {
    const pages = PagesReader.#open(images, name, id, new Set());
    try {
      if (pages.parent !== undefined) for (const _ of pages.ranges());
    } catch (error) {
      pages[Symbol.dispose]();
      throw error;
    }
    return pages;
  }

  static #open(images: PagesDirectory, name: PagemapName, id: number | bigint, seen: Set<string>): PagesReader {
    using reader = images.reader(name, id);
    if (reader === undefined) throw new Error(`${name} is a kind that must be there`);
    const pagemap = Pagemap.read(reader);
    const parent = pagemap.hasParentPages ? PagesReader.#openParent(images, name, id, seen) : undefined;
    try {
      return new PagesReader(pagemap, openPages(images, pagemap), parent);
    } catch (error) {
      parent?.[Symbol.dispose]();
      throw error;
    }
  }

  static #openParent(images: PagesDirectory, name: PagemapName, id: number | bigint, seen: Set<string>): PagesReader {
    const place = { file: fileName(name, id) };
    seen.add(images.identity());
    const parent = images.parent();
    if (parent === undefined) throw invalid(place, "it refers to parent images, and there is no link named parent");
    if (seen.has(parent.identity())) throw invalid(place, "its parent images lead back to images that build on them");
    if (seen.size >= MAX_GENERATIONS) throw invalid(place, `it builds on more than ${MAX_GENERATIONS} dumps`);
    return PagesReader.#open(parent, name, id, seen);
  }

  /** N of pages-N.img of this dump. */
  get pagesId(): number {
    return this.pagemap.pagesId;
  }

  /** All pages in ascending order. What has no range is zero, or is in a file that is mapped. */
  *ranges(): Generator<PageRange> {
    const found: PageRange[] = [];
    for (let run = 0; run < this.pagemap.length; run++) {
      this.#whole(run, found);
      yield* found.splice(0);
    }
  }

  /** As `ranges`, looked up once. */
  get all(): readonly PageRange[] {
    if (this.#all !== undefined) return this.#all;
    const found: PageRange[] = [];
    for (let run = 0; run < this.pagemap.length; run++) this.#whole(run, found);
    this.#all = found;
    return found;
  }
  #all: readonly PageRange[] | undefined;

  /** Whether all of these pages are here or in the parents: what a PARENT entry of a later dump may refer to. */
  covers(vaddr: bigint, pageCount: number): boolean {
    const end = pageOf(vaddr) + pageCount;
    let page = pageOf(vaddr);
    for (let run = this.pagemap.runFrom(page); page < end; run++) {
      if (run === this.pagemap.length || this.pagemap.firstOf(run) > page) return false;
      page = this.pagemap.endOf(run);
    }
    return true;
  }

  [Symbol.dispose](): void {
    if (this.fd !== CLOSED) closeSync(this.fd);
    this.parent?.[Symbol.dispose]();
  }

  #whole(run: number, found: PageRange[]): void {
    this.#addPiece(run, this.pagemap.firstOf(run), this.pagemap.endOf(run), found);
  }

  /** Pages [page, end), which lie in one run. */
  #addPiece(run: number, page: number, end: number, found: PageRange[]): void {
    const flags = this.pagemap.flagsOf(run);
    const [vaddr, pageCount] = [vaddrOf(page), end - page];
    if (flags & PagemapFlag.PRESENT) {
      const fileOffset = this.pagemap.offsetOf(run, page);
      found.push({ vaddr, pageCount, flags, source: "file", fd: this.fd, fileOffset, file: this.#file });
    } else if (flags & PagemapFlag.PARENT) {
      if (this.parent) this.parent.#addWithin(page, end, found);
    } else found.push({ vaddr, pageCount, flags, source: "lazy" });
  }

  /** Pages [page, end), which a child says we have. They may be in several runs. */
  #addWithin(page: number, end: number, found: PageRange[]): void {
    const { pagemap } = this;
    let at = page;
    for (let run = pagemap.runFrom(at); at < end; run++) {
      if (run === pagemap.length || pagemap.firstOf(run) > at) {
        const reason = `the parent images lack the page at 0x${vaddrOf(at).toString(16)}, to which later ones refer`;
        throw invalid({ file: pagemap.file }, reason);
      }
      const until = Math.min(end, pagemap.endOf(run));
      this.#addPiece(run, at, until, found);
      at = until;
    }
  }
}

/** The pages file of a pagemap; none for a pagemap without content of its own. */
function openPages(images: PagesDirectory, { pagesId, storedBytes, file: pagemapFile }: Pagemap): Fd {
  if (storedBytes === 0) return CLOSED;
  const file = fileName("pages", pagesId);
  const opened = images.openRaw("pages", pagesId);
  if (opened === undefined) {
    const reason = `the file is not there, and ${pagemapFile} has ${storedBytes} bytes in it`;
    throw new StasisError({ code: "IMAGE_MISSING", doing: "read the image", subject: { kind: "image", file }, reason });
  }
  if (opened.size >= storedBytes) return opened.fd;
  closeSync(opened.fd);
  throw truncated({ file }, `it is ${opened.size} bytes long, ${pagemapFile} needs ${storedBytes}`);
}
