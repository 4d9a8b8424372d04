// The log of one operation. Levels and the look of a line are CRIU's: scripts that read its logs read ours.
import { closeSync, writeSync } from "node:fs";
import type { Fd } from "../kernel/brand.js";
import { StasisError } from "./error.js";

/** What the engine writes to. */
export interface Log {
  error(text: string): void;
  warn(text: string): void;
  info(text: string): void;
  debug(text: string): void;
}

/** 0: nothing, 1: errors, 2: warnings, 3: what happens, 4: everything. */
export type Level = 0 | 1 | 2 | 3 | 4;
export const DEFAULT_LEVEL: Level = 2;

/** A level as CRIU reads it: below 0 and above 4 are 4. */
export function asLevel(number: number): Level {
  if (number === 0 || number === 1 || number === 2 || number === 3) return number;
  return 4;
}

/** A log to a descriptor, line by line. What cannot be written is counted, and the next line that can be says so: no operation fails over its log. */
export class LineLog implements Log, Disposable {
  readonly #start = process.hrtime.bigint();
  #lostLines = 0;

  /** `owned`: the descriptor is closed with the log. */
  constructor(
    readonly fd: Fd,
    readonly level: Level,
    readonly options: { readonly owned: boolean },
  ) {}

  error(text: string): void {
    this.#line(1, `Error: ${text}`);
  }

  warn(text: string): void {
    this.#line(2, `Warn: ${text}`);
  }

  info(text: string): void {
    this.#line(3, text);
  }

  debug(text: string): void {
    this.#line(4, text);
  }

  /** The end of a failed operation: what caused it, then the sentence as the last line. */
  failure(error: StasisError): void {
    for (const cause of causesOf(error)) this.debug(`because of ${cause}`);
    this.error(error.message);
  }

  #line(level: Level, text: string): void {
    if (level > this.level) return;
    const lost = this.#lostLines === 0 ? "" : `Warn: ${this.#lostLines} lines could not be written\n`;
    // A file name may hold a newline: one message stays one line.
    const line = `${lost}${this.#time()}${text.replaceAll("\n", "\\n")}\n`;
    try {
      writeSync(this.fd, line);
      this.#lostLines = 0;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      this.#lostLines++; // ENOSPC, EPIPE, EAGAIN
    }
  }

  /** Seconds since the start, from level 3 on. */
  #time(): string {
    if (this.level < 3) return "";
    const us = (process.hrtime.bigint() - this.#start) / 1000n;
    const seconds = String(us / 1_000_000n).padStart(2, "0");
    return `(${seconds}.${String(us % 1_000_000n).padStart(6, "0")}) `;
  }

  [Symbol.dispose](): void {
    if (this.options.owned) closeSync(this.fd);
  }
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (
    let cause = error.cause;
    cause !== undefined && causes.length < 8;
    cause = cause instanceof Error ? cause.cause : undefined
  )
    causes.push(
      cause instanceof Error && !(cause instanceof StasisError) ? (cause.stack ?? cause.message) : String(cause),
    );
  return causes;
}
