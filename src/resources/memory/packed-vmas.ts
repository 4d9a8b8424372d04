// What saving the memory of a process has to know of its mappings, 32 bytes each: of a thousand processes all are kept until the last one is
// collected, and as entries of mm.img they would be 300 bytes each.
import type { VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";

export type SavedVma = Pick<VmaEntry, "start" | "end" | "flags" | "status" | "madv">;

const WORDS = 4;
const STATUS_SHIFT = 32n;

export class PackedVmas implements Iterable<SavedVma> {
  readonly #words: BigUint64Array;

  /** Guard regions, which are listed behind the mappings that they lie in and hold nothing, are left out. */
  constructor(vmas: readonly SavedVma[]) {
    const saved = vmas.filter(({ status }) => (status & VmaStatus.AREA_GUARD) === 0);
    this.#words = new BigUint64Array(saved.length * WORDS);
    for (const [index, { start, end, flags, status, madv }] of saved.entries())
      this.#words.set([start, end, (BigInt(status) << STATUS_SHIFT) | BigInt(flags), madv], index * WORDS);
  }

  *[Symbol.iterator](): Generator<SavedVma> {
    for (let at = 0; at < this.#words.length; at += WORDS) {
      const [start = 0n, end = 0n, bits = 0n, madv = 0n] = this.#words.subarray(at, at + WORDS);
      const [flags, status] = [BigInt.asUintN(32, bits), bits >> STATUS_SHIFT];
      yield { start, end, flags: Number(flags), status: Number(status), madv };
    }
  }
}
