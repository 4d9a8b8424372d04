// Copies of a list of calls, each with room of its own for the answers: what one socket is asked, many are.
import type { RepeatedCalls } from "./batch.js";
import type { Fd } from "./brand.js";
import { addressOf } from "./call.js";
import { ENTRY_BYTES, ENTRY_WORDS } from "./call-list.js";
import type { ListAt } from "./list-code.js";

const RESULT = ENTRY_WORDS - 1;

export class CopiedCalls {
  readonly #callCount: number;
  readonly #words: BigInt64Array;
  /** The same, two to a word, the lower one first. */
  readonly #halves: Int32Array;
  readonly #address: bigint;
  readonly #rooms: Uint8Array;
  readonly #roomBytes: number;

  /** `room`: where arguments of `calls` point that are not the same for all copies. */
  constructor(calls: RepeatedCalls, room: Uint8Array, count: number) {
    this.#callCount = calls.calls.length;
    const wordCount = this.#callCount * ENTRY_WORDS;
    this.#words = new BigInt64Array(wordCount * count);
    this.#halves = new Int32Array(this.#words.buffer);
    this.#address = addressOf(new Uint8Array(this.#words.buffer));
    this.#rooms = new Uint8Array(new ArrayBuffer(room.byteLength * count));
    this.#roomBytes = room.byteLength;
    const [from, to] = [addressOf(room), addressOf(this.#rooms)];
    const end = from + BigInt(room.byteLength);
    const words = calls.words;
    for (let copy = 0; copy < count; copy++)
      for (const [index, word] of words.entries()) {
        const isInRoom = word >= from && word < end;
        this.#words[copy * wordCount + index] = isInRoom ? word - from + to + BigInt(copy * room.byteLength) : word;
      }
  }

  /** Has all calls of a copy made for this descriptor, their first argument, with a room that holds `fresh` before. */
  aim(copy: number, fd: Fd, fresh: Uint8Array): ListAt {
    for (let call = 0; call < this.#callCount; call++) {
      const at = this.#entry(copy, call) * 2 + 2;
      this.#halves[at] = fd;
      this.#halves[at + 1] = 0;
    }
    this.#rooms.set(fresh, copy * this.#roomBytes);
    return { at: this.#address + BigInt(copy * this.#callCount * ENTRY_BYTES), count: this.#callCount };
  }

  /** What the kernel has written. */
  roomOf(copy: number): Uint8Array {
    return this.#rooms.subarray(copy * this.#roomBytes, (copy + 1) * this.#roomBytes);
  }

  /** What the kernel returned, negative errno on failure. */
  result(copy: number, call: number): number {
    return this.#halves[(this.#entry(copy, call) + RESULT) * 2] ?? 0;
  }

  #entry = (copy: number, call: number): number => (copy * this.#callCount + call) * ENTRY_WORDS;
}
