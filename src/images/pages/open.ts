// Images of memory that are open at the same time, each once: what a parent had is compared with what each of its children has.
import type { ImageDirectory } from "../directory.js";
import type { PagesReader } from "./read.js";

export class OpenPages implements Disposable {
  readonly #readers = new Map<number, PagesReader>();

  constructor(private readonly images: ImageDirectory) {}

  /** The pages of a process, by its pid in the images. Throws as PagesReader.open does. */
  of(pid: number): PagesReader {
    const known = this.#readers.get(pid);
    if (known !== undefined) return known;
    const reader = this.images.pagesReader("pagemap", pid);
    this.#readers.set(pid, reader);
    return reader;
  }

  [Symbol.dispose](): void {
    for (const reader of this.#readers.values()) reader[Symbol.dispose]();
  }
}
