// How far long work is. Memory is what takes long, so bytes of memory are what is told, at least once a process.

export interface Progress {
  readonly operation: "dump" | "restore";
  readonly doneBytes: number;
  /** What the kernel's counters and the images say before the work is done; a dump may come to a little more or less. */
  readonly totalBytes: number;
}
export type OnProgress = (reached: Progress) => void;

/** Counts what was moved. */
export class Meter {
  #doneBytes = 0;
  #totalBytes = 0;

  constructor(
    readonly operation: Progress["operation"],
    readonly tell: OnProgress | undefined,
  ) {}

  expect(bytes: number): void {
    this.#totalBytes += bytes;
    this.moved(0);
  }

  moved(bytes: number): void {
    this.#doneBytes += bytes;
    this.#totalBytes = Math.max(this.#totalBytes, this.#doneBytes);
    this.#say();
  }

  /** All that there was is done. */
  finish(): void {
    this.#totalBytes = this.#doneBytes;
    this.#say();
  }

  #say(): void {
    this.tell?.({ operation: this.operation, doneBytes: this.#doneBytes, totalBytes: this.#totalBytes });
  }
}
