// A directory of images: what a dump makes and a restore reads. The inventory goes last and makes it complete; without
// one it is recognisably not. Format: CRIU 4.2.
import { closeSync, lstatSync, readdirSync, readlinkSync, renameSync, statSync, symlinkSync } from "node:fs";
import { resolve } from "node:path";
import type { Fd } from "../kernel/brand.js";
import { StasisError, type Subject } from "../report/error.js";
import { createFile, type FilePath, io, openFile, removeFile, syncFile, writeFully } from "./file.js";
import type { AlikeMessages } from "./format/alike.js";
import { type InventoryEntry, InventoryEntrySchema } from "./format/entries.js";
import { invalid } from "./format/fault.js";
import {
  type EntryOf,
  fileName,
  type ImageId,
  imageKinds,
  imageNames,
  type RawName,
  type RecordName,
  recordKind,
  type SchemaOf,
} from "./format/magic.js";
import { ImageVersion } from "./format/numbers.js";
import { encodeHead, encodeRecord } from "./format/record.js";
import { type PagemapName, PagesReader } from "./pages/read.js";
import { PagesWriter } from "./pages/write.js";
import { ImageReader } from "./reader.js";
import { ImageWriter } from "./writer.js";

/** A path, or a descriptor of ours that stays open as long as the directory is in use. */
export type Where = Fd | string;

const INVENTORY = "inventory.img";
/** The inventory under another name until it is whole. */
const INVENTORY_DRAFT = "inventory.img.new";
const PARENT = "parent";
/** How many images may wait to be written: those of some hundred tasks, a few MiB. */
const MOST_LATER = 512;

export class ImageDirectory {
  readonly #base: string;
  /** Files that this dump has made. */
  readonly #made = new Set<string>();
  /** Files that it is making. */
  readonly #unfinished = new Set<string>();
  /** CRIU counts from 1 too. */
  #lastPagesId = 0;

  private constructor(where: Where) {
    // By descriptor: no name is looked up that its owner may move meanwhile.
    this.#base = typeof where === "string" ? resolve(where) : `/proc/self/fd/${where}`;
  }

  /** A directory as it is: to look at, or one that holds service files only (the work directory). */
  static at(where: Where): ImageDirectory {
    return new ImageDirectory(where);
  }

  /**
   * For a dump. From here on, until `commit`, the directory counts as incomplete.
   * @throws StasisError IO_FAILED
   */
  static create(where: Where): ImageDirectory {
    const images = new ImageDirectory(where);
    for (const file of [INVENTORY, INVENTORY_DRAFT]) removeFile(images.#at(file));
    return images;
  }

  /**
   * For a restore, with the inventory of what is there.
   * @throws StasisError IMAGE_MISSING when the dump was not completed; IMAGE_INVALID for a format that is not ours
   */
  static open(where: Where): { readonly images: ImageDirectory; readonly inventory: InventoryEntry } {
    const images = new ImageDirectory(where);
    images.identity();
    if (!images.has("inventory", undefined)) {
      throw new StasisError({
        code: "IMAGE_MISSING",
        doing: "restore from the images directory",
        subject: images.subject,
        reason: "it has no inventory.img, so it holds no dump or one that was not completed",
      });
    }
    const inventory = images.readOne("inventory", undefined);
    if (!inventory.fdinfoPerId) throw invalid({ file: INVENTORY }, "the images are older than CRIU 0.4");
    if (inventory.imgVersion === ImageVersion.V1_1) return { images, inventory };
    throw invalid(
      { file: INVENTORY },
      `the images have version ${inventory.imgVersion}, the current version is ${ImageVersion.V1_1}`,
    );
  }

  /** For messages: where it is. */
  get subject(): Subject {
    const named = this.#base.startsWith("/proc/self/fd/");
    return {
      kind: "path",
      path: named ? io("look at", { kind: "path", path: this.#base }, () => readlinkSync(this.#base)) : this.#base,
    };
  }

  /** Device and inode: the same for two ways to one directory. */
  identity(): string {
    return io("look at the images directory", this.subject, () => {
      const { dev, ino } = statSync(this.#base, { bigint: true });
      return `${dev}:${ino}`;
    });
  }

  has(name: RecordName | RawName, id: ImageId): boolean {
    const opened = openFile(this.#at(fileName(name, id)));
    if (opened) closeSync(opened.fd);
    return opened !== undefined;
  }

  // ---- writing

  /**
   * For a dump of many images, which will most likely be these. `make` begins to make their files, empty, while we go on, and says how it is
   * ended. Disposing takes away what was not written.
   */
  expect(
    images: readonly (readonly [name: RecordName | RawName, id: ImageId])[],
    make: (paths: readonly string[]) => () => void,
  ): Disposable {
    const files = images.map(([name, id]) => fileName(name, id));
    this.#expected = new Set(files);
    this.#endMaking = make(files.map((file) => this.#at(file).path));
    return { [Symbol.dispose]: () => this.#sweepExpected() };
  }
  #expected: ReadonlySet<string> = new Set();
  #endMaking = () => {};

  #sweepExpected(): void {
    this.#endMaking();
    for (const file of this.#expected) if (!this.#made.has(file)) removeFile(this.#at(file));
    this.#expected = new Set();
    this.#endMaking = () => {};
  }

  /** Writes an image in one go. None at all: the file is not made, and an older one is removed. */
  write<N extends RecordName>(name: N, id: ImageId, entries: readonly EntryOf<N>[]): void {
    using writer = this.writer(name, id);
    for (const entry of entries) writer.append(entry);
    writer.close();
  }

  /**
   * As `write`, but most often not before `commit`: a dump collects while its target stands still. What waits does not grow with the tree: one that
   * has many images stands still for long as it is. The entries may not change any more.
   */
  writeLater<N extends RecordName>(name: N, id: ImageId, entries: readonly EntryOf<N>[]): void {
    this.#later.push(() => this.write(name, id, entries));
    if (this.#later.length >= MOST_LATER) this.#writeWaiting();
  }

  /** Changes the only entry of an image, written or not. */
  amend<N extends RecordName>(name: N, id: ImageId, change: (entry: EntryOf<N>) => void): void {
    this.#writeWaiting();
    const entry = this.readOne(name, id);
    change(entry);
    this.write(name, id, [entry]);
  }

  #writeWaiting(): void {
    for (const write of this.#later.splice(0)) write();
  }
  readonly #later: (() => void)[] = [];

  /** For images that grow record by record, or have bytes between records. To be closed before `commit`. */
  writer<N extends RecordName>(name: N, id: ImageId): ImageWriter<SchemaOf<N>> {
    const at = this.#begin(fileName(name, id));
    return new ImageWriter(recordKind(name), at, (complete) => this.#end(at, complete));
  }

  /** For files without records: gives the descriptor, and `close` for when all is written. */
  createRaw(name: RawName, id: ImageId): { readonly fd: Fd; close(): void } {
    const at = this.#begin(fileName(name, id));
    const fd = createFile(at);
    const close = () => {
      closeSync(fd);
      this.#end(at, true);
    };
    return { fd, close };
  }

  /** For memory: a pagemap, and a pages file of its own. `parent`: the pages of the dump that this one builds on. */
  pagesWriter(pagemap: PagemapName, id: number | bigint, parent?: PagesReader): PagesWriter {
    const pagesId = ++this.#lastPagesId;
    return new PagesWriter(this, { pagemap, id, pagesId, ...(parent && { parent }) });
  }

  /** Removes an image that this dump has no use for. */
  remove(name: RecordName | RawName, id: ImageId): void {
    removeFile(this.#at(fileName(name, id)));
  }

  /** Makes `parent` lead to the images that this dump builds on: `target` is relative to this directory. */
  linkParent(target: string | undefined): void {
    const at = this.#at(PARENT);
    removeFile(at);
    if (target !== undefined) {
      io("link the parent images", { kind: "path", path: target }, () => symlinkSync(target, at.path));
    }
  }

  /**
   * Completes the dump: what was put off is written, leftovers of an earlier one go, what was written goes to the disk, and then the inventory
   * says that everything is there.
   * @param options.durable false: leave the flushing to the kernel; the images survive us, but not a power failure
   */
  commit(inventory: InventoryEntry, { durable = true }: { readonly durable?: boolean } = {}): void {
    this.#writeWaiting();
    for (const file of this.#unfinished) throw this.#bug(file, "it was not closed");
    this.#sweepExpected();
    const there = new Set(io("look at", this.subject, () => readdirSync(this.#base)));
    for (const name of imageNames) {
      const { swept, file } = imageKinds[name];
      if (swept && there.has(file) && !this.#made.has(file)) removeFile(this.#at(file));
    }
    if (durable) for (const file of this.#made) syncFile(this.#at(file));
    this.#writeInventory(inventory, durable);
  }

  /** Of all files that were made. */
  sizeBytes(): number {
    return [...this.#made].reduce(
      (sum, file) => sum + io("look at", this.subject, () => statSync(this.#at(file).path).size),
      0,
    );
  }

  #writeInventory(inventory: InventoryEntry, durable: boolean): void {
    const draft = this.#at(INVENTORY_DRAFT);
    const fd = createFile(draft);
    try {
      writeFully(fd, encodeHead(imageKinds.inventory), INVENTORY);
      writeFully(fd, encodeRecord(InventoryEntrySchema, inventory), INVENTORY);
    } finally {
      closeSync(fd);
    }
    if (durable) syncFile(draft);
    io("complete the images", this.subject, () => renameSync(draft.path, this.#at(INVENTORY).path));
    if (durable) syncFile({ path: this.#base, file: "its directory" });
  }

  // ---- reading

  /**
   * All records of an image that has nothing between its records.
   * @throws StasisError IMAGE_MISSING for a kind that every dump has; other absent files are as good as empty ones
   */
  read<N extends RecordName>(name: N, id: ImageId): EntryOf<N>[] {
    using reader = this.reader(name, id);
    return reader === undefined ? [] : [...reader];
  }

  /** The only record of an image that has one. With `alike` nobody may change it. */
  readOne<N extends RecordName>(name: N, id: ImageId, alike?: AlikeMessages): EntryOf<N> {
    return this.readOptional(name, id, alike) ?? this.#missing(fileName(name, id));
  }

  /** As `readOne`; undefined when there is no such file. */
  readOptional<N extends RecordName>(name: N, id: ImageId, alike?: AlikeMessages): EntryOf<N> | undefined {
    using reader = this.reader(name, id);
    if (reader === undefined) return undefined;
    const entry = reader.expect(reader.kind.message, alike);
    if (reader.remaining > 0) throw invalid(reader.place, `${reader.remaining} bytes follow the only record`);
    return entry;
  }

  /** For images that are read record by record; undefined when there is none and need not be. */
  reader<N extends RecordName>(name: N, id: ImageId): ImageReader<SchemaOf<N>> | undefined {
    const kind = recordKind(name);
    const file = fileName(name, id);
    const opened = openFile(this.#at(file));
    if (opened !== undefined) return new ImageReader(kind, file, opened);
    return kind.missing === "empty" ? undefined : this.#missing(file);
  }

  /** A file without records; the caller closes `fd`. */
  openRaw(name: RawName, id: ImageId): { readonly fd: Fd; readonly size: number } | undefined {
    return openFile(this.#at(fileName(name, id)));
  }

  /** Where the content of memory is. All of it is checked to be there: PagesReader.open. */
  pagesReader(pagemap: PagemapName, id: number | bigint): PagesReader {
    return PagesReader.open(this, pagemap, id);
  }

  /** The images that these build on, whole or not. */
  parent(): ImageDirectory | undefined {
    const { path } = this.#at(PARENT);
    return io("look at", { kind: "path", path: PARENT }, () => {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return new ImageDirectory(path);
      throw invalid({ file: PARENT }, "it does not lead to a directory");
    });
  }

  #at(file: string): FilePath {
    return { path: `${this.#base}/${file}`, file, isAhead: this.#expected.has(file) };
  }

  #begin(file: string): FilePath {
    if (this.#unfinished.has(file)) throw this.#bug(file, "it is being written already");
    this.#unfinished.add(file);
    return this.#at(file);
  }

  #end({ file }: FilePath, complete: boolean): void {
    this.#unfinished.delete(file);
    if (complete) this.#made.add(file);
    else this.#made.delete(file);
  }

  #missing(file: string): never {
    const reason = "the file is not there";
    throw new StasisError({ code: "IMAGE_MISSING", doing: "read the image", subject: { kind: "image", file }, reason });
  }

  #bug(file: string, reason: string): StasisError {
    return new StasisError({ code: "BUG", doing: "write the image", subject: { kind: "image", file }, reason });
  }
}
