// The package's second export, `stasis/images`: a directory of CRIU's images, for programs that look into dumps. It needs no privilege and
// no Linux: nothing here makes a system call of its own.
import { closeSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { StasisError } from "../report/error.js";
import { type DecodeOptions, decodeImage } from "./crit/image.js";
import type { JsonObject } from "./crit/json.js";
import { openFile } from "./file.js";
import { type ImageRecord, recordsOf } from "./format/content.js";
import {
  type EntryOf,
  fileName,
  type ImageId,
  type ImageName,
  imageKinds,
  imageOfFile,
  type RawName,
  type RecordName,
  recordKind,
  type SchemaOf,
} from "./format/magic.js";
import { Bytes } from "./format/record.js";
import { type PagemapName, type PageRange, type PagesDirectory, PagesReader } from "./pages/read.js";
import { ImageReader } from "./reader.js";

export { encodeImage } from "./crit/image.js";
export { type Json, type JsonObject, readJson, writeJson } from "./crit/json.js";
export type { ImageRecord } from "./format/content.js";
export * from "./format/entries.js";
export type { EntryOf, ImageId, ImageName, RawName, RecordName } from "./format/magic.js";

/** A file of the directory that is an image. */
export interface ImageFile {
  readonly file: string;
  readonly name: ImageName;
  /** A pid, an object's id or a namespace's. */
  readonly id: bigint | undefined;
  readonly sizeBytes: number;
}

/** Pages in a row. */
export interface Pages {
  readonly vaddr: bigint;
  /** Undefined: the dump left them where they were (lazy migration). */
  readonly bytes: Uint8Array | undefined;
}

const PAGE_BYTES = 4096;
const CHUNK_PAGES = 256;
const PARENT = "parent";
const MAX_GENERATIONS = 1000;

/** @throws StasisError when `path` is no directory */
export function openImages(path: string): Images {
  const at = resolve(path);
  if (statSync(at, { throwIfNoEntry: false })?.isDirectory()) return new Images(at);
  throw new StasisError({
    code: "IMAGE_MISSING",
    doing: "open the images directory",
    subject: { kind: "path", path: at },
    reason: "it is not there, or no directory",
  });
}

/** Everything in it is read when it is asked for, and checked then: each method throws StasisError for an image that cannot be. */
export class Images implements PagesDirectory {
  constructor(readonly path: string) {}

  /** By name. */
  files(): ImageFile[] {
    return readdirSync(this.path)
      .toSorted()
      .flatMap((file) => {
        const image = imageOfFile(file);
        return image === undefined ? [] : [{ file, ...image, sizeBytes: statSync(join(this.path, file)).size }];
      });
  }

  /** Whether the dump came to its end. */
  get complete(): boolean {
    return this.has("inventory", undefined);
  }

  has(name: ImageName, id?: ImageId): boolean {
    return statSync(join(this.path, fileName(name, id)), { throwIfNoEntry: false })?.isFile() ?? false;
  }

  /** The entries of an image: `entries("core", pid)`. Empty for a file that need not be there and is not. */
  entries<N extends RecordName>(name: N, id?: ImageId): EntryOf<N>[] {
    const bytes = this.#bytes(name, id);
    if (bytes === undefined) return [];
    const { message } = recordKind(name);
    const ofThisKind = (record: ImageRecord): record is ImageRecord<SchemaOf<N>> => record.schema === message;
    return [...recordsOf(name, fileName(name, id), new Bytes(bytes))]
      .filter(ofThisKind)
      .map((record) => record.message);
  }

  /** All that is in an image, in order, with the bytes that belong to each record. */
  *records(name: RecordName, id?: ImageId): Generator<ImageRecord> {
    const bytes = this.#bytes(name, id);
    if (bytes !== undefined) yield* recordsOf(name, fileName(name, id), new Bytes(bytes));
  }

  /** The image as crit's JSON. */
  toJson(name: RecordName, id?: ImageId, options?: DecodeOptions): JsonObject {
    const file = fileName(name, id);
    return decodeImage(this.#bytes(name, id) ?? missing(file), file, options);
  }

  /** Memory of a process (or, with "pagemap-shmem", of a shared segment) in ascending order, that of the parent images included. */
  async *pages(id: number | bigint, name: PagemapName = "pagemap"): AsyncGenerator<Pages> {
    using pages = PagesReader.open(this, name, id);
    for (const range of pages.ranges()) yield* chunksOf(range);
  }

  /** The images that these build on. */
  parent(): Images | undefined {
    const path = join(this.path, PARENT);
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? new Images(path) : undefined;
  }

  /** These and all that they build on. */
  *chain(): Generator<Images> {
    const seen = new Set<string>();
    for (let images: Images | undefined = this; images !== undefined; images = images.parent()) {
      if (seen.has(images.identity()) || seen.size >= MAX_GENERATIONS) return;
      seen.add(images.identity());
      yield images;
    }
  }

  /** The same for two ways to one directory. */
  identity(): string {
    const { dev, ino } = statSync(this.path, { bigint: true });
    return `${dev}:${ino}`;
  }

  reader(name: PagemapName, id: ImageId): ImageReader<SchemaOf<PagemapName>> | undefined {
    const file = fileName(name, id);
    const opened = openFile({ path: join(this.path, file), file });
    return opened === undefined ? missing(file) : new ImageReader(recordKind(name), file, opened);
  }

  openRaw(name: RawName, id: ImageId) {
    const file = fileName(name, id);
    return openFile({ path: join(this.path, file), file });
  }

  #bytes(name: RecordName, id: ImageId): Uint8Array | undefined {
    const file = fileName(name, id);
    const opened = openFile({ path: join(this.path, file), file });
    if (opened === undefined) return imageKinds[name].missing === "empty" ? undefined : missing(file);
    try {
      return readFileSync(opened.fd);
    } finally {
      closeSync(opened.fd);
    }
  }
}

function* chunksOf(range: PageRange): Generator<Pages> {
  for (let page = 0; page < range.pageCount; page += CHUNK_PAGES) {
    const vaddr = range.vaddr + BigInt(page * PAGE_BYTES);
    if (range.source === "lazy") {
      yield { vaddr, bytes: undefined };
      continue;
    }
    const bytes = new Uint8Array(Math.min(CHUNK_PAGES, range.pageCount - page) * PAGE_BYTES);
    for (let at = 0; at < bytes.length; ) {
      const got = readSync(range.fd, bytes, at, bytes.length - at, range.fileOffset + page * PAGE_BYTES + at);
      if (got === 0) throw truncatedPages(range.file);
      at += got;
    }
    yield { vaddr, bytes };
  }
}

const truncatedPages = (file: string) =>
  new StasisError({
    code: "IMAGE_TRUNCATED",
    doing: "read the image",
    subject: { kind: "image", file },
    reason: "it became shorter while it was read",
  });

function missing(file: string): never {
  throw new StasisError({
    code: "IMAGE_MISSING",
    doing: "read the image",
    subject: { kind: "image", file },
    reason: "the file is not there",
  });
}
