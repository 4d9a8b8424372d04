// Reading one image of records from disk.
import { closeSync } from "node:fs";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Fd } from "../kernel/brand.js";
import { FileSource } from "./file.js";
import type { RecordKind } from "./format/magic.js";
import { RecordReader } from "./format/record.js";

/** A RecordReader that owns its file: `using reader = images.reader("pipes-data", undefined)`. */
export class ImageReader<D extends DescMessage = DescMessage> extends RecordReader<D> implements Disposable {
  readonly #source: FileSource;

  /** Takes `fd` over, also when it throws. */
  constructor(kind: RecordKind<D>, file: string, open: { readonly fd: Fd; readonly size: number }) {
    const source = new FileSource(open.fd, open.size, file);
    try {
      super(kind, file, source);
    } catch (error) {
      closeSync(open.fd);
      throw error;
    }
    this.#source = source;
  }

  get fd(): Fd {
    return this.#source.fd;
  }

  /** In the file, of what comes next: content behind a record can be copied from here, then skipped. */
  get offset(): number {
    return this.#source.offset;
  }

  [Symbol.dispose](): void {
    closeSync(this.#source.fd);
  }
}
