// Writing one image of records: buffered, created with its first record.
import { closeSync } from "node:fs";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Fd } from "../kernel/brand.js";
import { createFile, type FilePath, removeFile, writeFully } from "./file.js";
import type { RecordKind } from "./format/magic.js";
import { encodeHead, encodeRecord } from "./format/record.js";
import { encodeRecords, MANY_RECORDS } from "./format/records.js";

const BUFFER_BYTES = 64 << 10;
/** So many entries wait to be encoded together. */
const MOST_WAITING = 512;

/**
 * An image that nothing is appended to is not created, and an older one of the name is removed, as CRIU does. `close`
 * completes the file; leaving a `using` scope without it gives the file up.
 */
export class ImageWriter<D extends DescMessage = DescMessage> implements Disposable {
  #fd: Fd | undefined;
  /** Most images are small: no buffer that is made and thrown away for each. */
  readonly #pending: Uint8Array[] = [];
  #buffered = 0;
  readonly #waiting: MessageShape<D>[] = [];
  #open = true;

  constructor(
    readonly kind: RecordKind<D>,
    private readonly at: FilePath,
    private readonly ended: (complete: boolean) => void,
  ) {}

  /** The entry may not change any more: it is encoded with those that follow. A required field that is not set is thrown then. */
  append(entry: MessageShape<D>): void {
    if (this.#waiting.push(entry) >= MOST_WAITING) this.#encodeWaiting();
  }

  /** A record of another type than the image's main one: PagemapHead, IpcMsg, GhostChunkEntry. */
  appendAs<Other extends DescMessage>(schema: Other, entry: MessageShape<Other>): void {
    this.#encodeWaiting();
    this.#push(encodeRecord(schema, entry));
  }

  /** Bytes that belong to the record before, filled up with zeros to a multiple of `alignment`. */
  blob(bytes: Uint8Array, alignment = 1): void {
    this.#encodeWaiting();
    this.#push(bytes.slice());
    const padding = -bytes.length & (alignment - 1);
    if (padding !== 0) this.#push(new Uint8Array(padding));
  }

  /** The file, everything so far in it, for who wants to write on without us. */
  flush(): Fd {
    this.#encodeWaiting();
    return this.#write();
  }

  #encodeWaiting(): void {
    const { message: schema } = this.kind;
    const entries = this.#waiting.splice(0);
    if (entries.length >= MANY_RECORDS) this.#push(encodeRecords(schema, entries));
    else for (const entry of entries) this.#push(encodeRecord(schema, entry));
  }

  #write(): Fd {
    const fd = this.#file();
    const [only] = this.#pending;
    if (only !== undefined)
      writeFully(fd, this.#pending.length === 1 ? only : Buffer.concat(this.#pending, this.#buffered), this.at.file);
    this.#pending.length = 0;
    this.#buffered = 0;
    return fd;
  }

  close(): void {
    if (!this.#open) return;
    this.#encodeWaiting();
    if (this.#buffered > 0) this.#write();
    if (this.#fd === undefined) removeFile(this.at);
    this.#end(this.#fd !== undefined);
  }

  [Symbol.dispose](): void {
    if (this.#open) this.#end(false);
  }

  #end(complete: boolean): void {
    this.#open = false;
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.ended(complete);
  }

  #push(bytes: Uint8Array): void {
    const fd = this.#file();
    if (bytes.length > BUFFER_BYTES - this.#buffered) this.#write();
    if (bytes.length < BUFFER_BYTES) {
      this.#pending.push(bytes);
      this.#buffered += bytes.length;
    } else writeFully(fd, bytes, this.at.file);
  }

  #file(): Fd {
    if (this.#fd !== undefined) return this.#fd;
    this.#fd = createFile(this.at);
    const head = encodeHead(this.kind);
    this.#pending.push(head);
    this.#buffered = head.length;
    return this.#fd;
  }
}
