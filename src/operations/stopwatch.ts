// Times for stats-dump and stats-restore.

export class Stopwatch {
  #last = process.hrtime.bigint();

  /** Microseconds since the last lap, or since the start. */
  lapUs(): number {
    const now = process.hrtime.bigint();
    const us = Number((now - this.#last) / 1000n);
    this.#last = now;
    return us;
  }
}
