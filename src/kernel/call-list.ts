// A list of syscalls in memory, and the machine code that makes one after another of them: in ourselves (list-code.ts) or in a target (tracee/stub.ts).
// An entry is 64 bytes: number, six arguments, result.
import type { Word } from "./call.js";
import { type Syscall, showArguments } from "./declare/syscall.js";

export const ENTRY_WORDS = 8;
export const ENTRY_BYTES = ENTRY_WORDS * 8;
const RESULT = ENTRY_WORDS - 1;

/** A syscall and the words of its arguments. */
export interface ListedCall {
  readonly row: Syscall;
  readonly words: readonly Word[];
  /** What the kernel must return; absent: anything but a failure. */
  readonly expected?: bigint;
}

/** Stands in the result of an entry that was not reached: no syscall returns it. */
export const UNTOUCHED = -0x7374617369733030n;

const [UNTOUCHED_LOW, UNTOUCHED_HIGH] = [Number(UNTOUCHED & 0xffffffffn) | 0, Number(UNTOUCHED >> 32n)];
const FEWEST = 64;
/** Results from here on, seen as 32 bits of -1 and the lower half, are errors: MAX_ERRNO, include/linux/err.h. */
const LEAST_ERROR = -4095;

/**
 * Calls as the machine code goes through them, packed while they are added: a restore puts off a hundred calls a task, of some sixty tasks at a time,
 * and an object for each would be copied by the garbage collector again and again.
 */
export class CallList {
  #words: BigInt64Array;
  /** The same: two to a word, the lower one first. No bigints are made of integers. */
  #halves: Int32Array;
  readonly #rows: Syscall[] = [];

  constructor(leastEntries = FEWEST) {
    const spare = leastEntries <= FEWEST ? spares.pop() : undefined;
    this.#words = spare ?? new BigInt64Array(Math.max(FEWEST, leastEntries) * ENTRY_WORDS);
    this.#halves = new Int32Array(this.#words.buffer);
  }

  static of(calls: readonly ListedCall[]): CallList {
    const list = new CallList(calls.length);
    for (const call of calls) list.add(call);
    return list;
  }

  get count(): number {
    return this.#rows.length;
  }

  add({ row, words, expected }: ListedCall): void {
    const at = this.count * ENTRY_WORDS;
    if (at === this.#words.length) this.#grow();
    this.#rows.push(row);
    this.#halves.fill(0, at * 2, (at + ENTRY_WORDS) * 2);
    this.#halves[at * 2] = row.number;
    for (let index = 0; index < words.length; index++) this.#put(at + 1 + index, words[index] ?? 0);
    this.#put(at + RESULT, expected ?? UNTOUCHED);
  }

  #put(at: number, word: Word): void {
    const low = typeof word === "number" ? word | 0 : undefined;
    if (low === undefined || low !== word) {
      this.#words[at] = BigInt(word);
      return;
    }
    this.#halves[at * 2] = low;
    this.#halves[at * 2 + 1] = low < 0 ? -1 : 0;
  }

  #grow(): void {
    const wider = new BigInt64Array(this.#words.length * 2);
    wider.set(this.#words);
    this.#words = wider;
    this.#halves = new Int32Array(wider.buffer);
  }

  /** The entries, as they are in our memory. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer, 0, this.count * ENTRY_BYTES);
  }

  /** The first call that failed or returned other than expected, as the list that was gone through tells; undefined: all went well. */
  firstFailure(done: Uint8Array): number | undefined {
    const results = new Int32Array(done.buffer, done.byteOffset, this.count * ENTRY_WORDS * 2);
    for (let call = 0; call < this.count; call++) {
      const at = (call * ENTRY_WORDS + RESULT) * 2;
      const [low = 0, high = 0] = [results[at], results[at + 1]];
      if (high === -1 && low < 0 && low >= LEAST_ERROR) return call;
      const [wantedLow, wantedHigh] = [this.#halves[at], this.#halves[at + 1]];
      const isAny = wantedLow === UNTOUCHED_LOW && wantedHigh === UNTOUCHED_HIGH;
      if (!isAny && (low !== wantedLow || high !== wantedHigh)) return call;
    }
    return undefined;
  }

  rowOf(call: number): Syscall {
    const row = this.#rows[call];
    if (row === undefined) throw new RangeError(`no call ${call} of ${this.count}`);
    return row;
  }

  /** What the call had to return; undefined: anything but a failure. */
  expectedOf(call: number): bigint | undefined {
    const word = this.#words[call * ENTRY_WORDS + RESULT];
    return word === UNTOUCHED ? undefined : word;
  }

  /** The arguments of a call as a person would write them. */
  shown(call: number): string[] {
    const row = this.rowOf(call);
    const first = call * ENTRY_WORDS + 1 + row.command.length;
    return showArguments(row, [...this.#words.subarray(first, first + row.args.length)]);
  }

  /** Gives its memory to lists to come: it may not be used any more. */
  release(): void {
    if (this.#words.length === FEWEST * ENTRY_WORDS && spares.length < MOST_SPARES) spares.push(this.#words);
  }
}
const spares: BigInt64Array[] = [];
const MOST_SPARES = 128;

/** What the kernel returned, negative errno on failure, an element an entry. */
export function decodeResults(list: Uint8Array): bigint[] {
  const words = new BigInt64Array(list.buffer, list.byteOffset, list.byteLength / 8);
  const count = words.length / ENTRY_WORDS;
  return Array.from({ length: count }, (_, index) => words[index * ENTRY_WORDS + RESULT] ?? UNTOUCHED);
}

/** Makes the call of the entry at r12 and keeps its result there; 41 bytes. Clobbers what a syscall and its arguments take. */
export const callOfEntry: readonly (readonly number[])[] = [
  [0x49, 0x8b, 0x04, 0x24], // mov rax, [r12]
  [0x49, 0x8b, 0x7c, 0x24, 0x08], // mov rdi, [r12+8]
  [0x49, 0x8b, 0x74, 0x24, 0x10], // mov rsi, [r12+16]
  [0x49, 0x8b, 0x54, 0x24, 0x18], // mov rdx, [r12+24]
  [0x4d, 0x8b, 0x54, 0x24, 0x20], // mov r10, [r12+32]
  [0x4d, 0x8b, 0x44, 0x24, 0x28], // mov r8, [r12+40]
  [0x4d, 0x8b, 0x4c, 0x24, 0x30], // mov r9, [r12+48]
  [0x0f, 0x05], // syscall
  [0x49, 0x89, 0x44, 0x24, 0x38], // mov [r12+56], rax
];
