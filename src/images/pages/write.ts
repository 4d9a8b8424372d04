// Saving pages: their content one after the other in pages-N.img, the addresses in a pagemap. Format: CRIU 4.2.

import { fstatSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import type { Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { ImageDirectory } from "../directory.js";
import { io, writeFully } from "../file.js";
import { type PagemapEntrySchema, PagemapHeadSchema } from "../format/entries.js";
import { fileName } from "../format/magic.js";
import { entryOf, PAGE_SIZE, PagemapFlag, type PageRun } from "../format/pagemap.js";
import type { ImageWriter } from "../writer.js";
import type { PagemapName, PagesReader } from "./read.js";

/**
 * The page cache takes a write in one piece of memory if it can, and the larger the piece, the sooner it is one that the machine has never
 * touched: where the memory is a virtual machine's, its host has to find it first. 256 KiB: 0.3 s a GiB; 1 MiB: 0.4 to 1.8 s.
 */
const SPLICE_BYTES = 256 << 10;

export interface PagesTarget {
  readonly pagemap: PagemapName;
  /** The pid, or the shared segment's id. */
  readonly id: number | bigint;
  /** A number that no other pagemap of the dump has, from 1 on. */
  readonly pagesId: number;
  /** The pages of the dump that this one builds on: what PARENT runs are checked against. */
  readonly parent?: PagesReader;
}

/**
 * `add` says which pages come, in ascending order; the caller writes the content of PRESENT ones in the same order,
 * by `append` or through `fd` at its end. `close` checks that there is as much content as was announced.
 */
export class PagesWriter implements Disposable {
  #pages: { readonly fd: Fd; close(): void } | undefined;
  #open: PageRun | undefined;
  #presentPages = 0;
  #parentPages = 0;
  #closed = false;
  readonly #map: ImageWriter<typeof PagemapEntrySchema>;

  constructor(
    private readonly images: ImageDirectory,
    private readonly target: PagesTarget,
  ) {
    this.#map = images.writer(target.pagemap, target.id);
    this.#map.appendAs(PagemapHeadSchema, create(PagemapHeadSchema, { pagesId: target.pagesId }));
  }

  /** pages-N.img, made when it is first asked for. Whoever writes here leaves the file position at the end. */
  get fd(): Fd {
    this.#pages ??= this.images.createRaw("pages", this.target.pagesId);
    return this.#pages.fd;
  }

  /** Pages whose content is in the file, or will be by `close`. */
  get presentPages(): number {
    return this.#presentPages;
  }
  get parentPages(): number {
    return this.#parentPages;
  }

  /**
   * Announces pages. A run that continues the one before with the same flags becomes part of it.
   * @param flags PagemapFlag: PRESENT, PRESENT | LAZY, LAZY or PARENT
   */
  add(vaddr: bigint, pages: number | bigint, flags: number): void {
    const pageCount = Number(pages);
    if (pageCount === 0) return;
    const before = this.#open;
    const end = before === undefined ? 0n : before.vaddr + BigInt(before.pageCount) * BigInt(PAGE_SIZE);
    if (vaddr < end || vaddr % BigInt(PAGE_SIZE) !== 0n)
      throw this.#bug(`pages at 0x${vaddr.toString(16)} do not follow 0x${end.toString(16)}`);
    if (flags & PagemapFlag.PARENT) this.#checkParent(vaddr, pageCount);
    if (flags & PagemapFlag.PARENT) this.#parentPages += pageCount;
    if (flags & PagemapFlag.PRESENT) this.#presentPages += pageCount;
    if (before !== undefined && vaddr === end && flags === before.flags) {
      this.#open = { ...before, pageCount: before.pageCount + pageCount };
      return;
    }
    if (before !== undefined) this.#map.append(entryOf(before));
    this.#open = { vaddr, pageCount, flags };
  }

  /** Content of announced pages, or some of it. */
  append(bytes: Uint8Array): void {
    writeFully(this.fd, bytes, fileName("pages", this.target.pagesId));
  }

  /** Content of announced pages, or some of it, out of a pipe: splice(2). */
  appendFrom(pipe: Fd, lengthBytes: number): void {
    const subject = { kind: "image", file: fileName("pages", this.target.pagesId) } as const;
    io("write the image", subject, () => {
      for (let left = lengthBytes; left > 0; )
        left -= sys.splice(pipe, null, this.fd, null, BigInt(Math.min(left, SPLICE_BYTES)), 0);
    });
  }

  /** Writes the rest of the pagemap. */
  close(): void {
    if (this.#closed) return;
    const expected = this.#presentPages * PAGE_SIZE;
    const file = fileName("pages", this.target.pagesId);
    const pages = this.#pages;
    const written = pages ? io("look at the image", { kind: "image", file }, () => fstatSync(pages.fd).size) : 0;
    if (written !== expected) throw this.#bug(`${expected} bytes of pages were announced, ${written} written`);
    if (this.#open !== undefined) this.#map.append(entryOf(this.#open));
    this.#map.close();
    if (pages) pages.close();
    else this.images.remove("pages", this.target.pagesId);
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#map[Symbol.dispose]();
    this.#pages?.close();
    this.#closed = true;
  }

  #checkParent(vaddr: bigint, pageCount: number): void {
    const { parent } = this.target;
    if (parent?.covers(vaddr, pageCount)) return;
    throw this.#bug(`the parent images do not have the ${pageCount} pages at 0x${vaddr.toString(16)}`);
  }

  #bug(reason: string): StasisError {
    const file = fileName(this.target.pagemap, this.target.id);
    return new StasisError({ code: "BUG", doing: "write the image", subject: { kind: "image", file }, reason });
  }
}
