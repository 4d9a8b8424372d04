// Many syscalls of our own with one step out of JavaScript: machine code goes through a list of them (list-code.ts). A call through koffi takes
// some 3 us, an entry of the list 0.2 us.
import type { Fd } from "./brand.js";
import { addressOf, type Word } from "./call.js";
import { CallList, decodeResults, ENTRY_BYTES, ENTRY_WORDS, type ListedCall } from "./call-list.js";
import { type HereCalls, isFailure, type Kept, type Syscall, showArguments } from "./declare/syscall.js";
import { SyscallError } from "./errno.js";
import { type ListAt, repeatFirst, runList } from "./list-code.js";
import { type Syscalls, syscalls } from "./syscalls.js";
import { share } from "./thread.js";

/** A syscall to be made by us, its arguments in memory. */
export interface PreparedCall extends ListedCall {
  readonly values: readonly unknown[];
  readonly kept: Kept;
}
type PreparedCalls = {
  readonly [K in keyof Syscalls]: (...args: Parameters<HereCalls<Syscalls>[K]>) => PreparedCall;
};

/** Builds entries: `prepared.close(fd)` is a call to be made, not one made. */
export const prepared = Object.fromEntries(
  Object.entries(syscalls).map(([name, row]) => [name, (...values: unknown[]) => prepare(row, values)]),
) as unknown as PreparedCalls;

function prepare(row: Syscall, values: readonly unknown[]): PreparedCall {
  const kept: Kept = [];
  const words: Word[] = row.command.slice();
  const { args } = row;
  for (let index = 0; index < args.length; index++) words.push(args[index]?.[1].here(values[index], kept) ?? 0);
  return { row, values, words, kept };
}

/** The error of a call that returned `raw`. */
export function failureOf({ row, values }: PreparedCall, raw: Word): SyscallError | undefined {
  return isFailure(raw) ? new SyscallError(row.name, -Number(raw), showArguments(row, values)) : undefined;
}

/** Makes all calls in order, whatever each returns; result: what the kernel returned, negative errno on failure. */
export function runTogether(calls: readonly PreparedCall[]): bigint[] {
  if (calls.length === 0) return [];
  const list = CallList.of(calls).bytes;
  runList(addressOf(list), calls.length);
  release(calls);
  return decodeResults(list);
}

/** As runTogether, for lists that do not depend on each other: another thread takes part. */
export function runShared(lists: readonly (readonly PreparedCall[])[]): bigint[][] {
  const bytes = lists.map((calls) => CallList.of(calls).bytes);
  share(bytes.map((list, index) => ({ at: addressOf(list), count: lists[index]?.length ?? 0 }))).finish();
  for (const calls of lists) release(calls);
  return bytes.map(decodeResults);
}

const ROWS_A_PART = 64;

/**
 * A list that is run many times, with other descriptors and integers in it. Preconditions: whatever its arguments point at is kept by the
 * caller; each result but those that `wideResult` is asked for is an error or fits into 32 bits.
 */
export class RepeatedCalls {
  readonly #list: Uint8Array;
  /** Two to a word, the lower one first: no bigints are made of what is written and read thousands of times. */
  readonly #halves: Int32Array;
  readonly #address: bigint;

  constructor(readonly calls: readonly PreparedCall[]) {
    this.#list = CallList.of(calls).bytes;
    this.#halves = new Int32Array(this.#list.buffer);
    this.#address = addressOf(this.#list);
  }

  /** The entries. */
  get words(): BigInt64Array {
    return new BigInt64Array(this.#list.buffer, this.#list.byteOffset, this.#list.byteLength >> 3);
  }

  /** Changes an argument, counted from 0 with a command that is one (the 1 in fcntl). */
  aim(call: number, argument: number, value: number): void {
    const at = (call * ENTRY_WORDS + 1 + argument) * 2;
    this.#halves[at] = value;
    this.#halves[at + 1] = value < 0 ? -1 : 0;
  }

  /** Makes all of them, or the first ones. */
  run(count = this.calls.length): void {
    if (count > 0) runList(this.#address, count);
  }

  /** Some of them, to be made by whoever takes them. */
  part(from: number, count: number): ListAt {
    return { at: this.#address + BigInt(from * ENTRY_BYTES), count };
  }

  /** Makes the first `rows` rows of `ofRow` calls each, those of a row in order; another thread takes part in many. */
  runRows(rows: number, ofRow: number): void {
    const lists: ListAt[] = [];
    for (let from = 0; from < rows; from += ROWS_A_PART)
      lists.push(this.part(from * ofRow, Math.min(ROWS_A_PART, rows - from) * ofRow));
    share(lists).finish();
  }

  /** Makes the first call until it returns other than 0, at most so many times. Result: what it returned last. */
  runUntil(times: number): number {
    repeatFirst(this.#address, times);
    return this.result(0);
  }

  /** Makes all of them with this descriptor as first argument. */
  runFor(fd: Fd): void {
    for (let call = 0; call < this.calls.length; call++) this.aim(call, 0, fd);
    this.run();
  }

  /** What the kernel returned, negative errno on failure. */
  result(call: number): number {
    return this.#halves[(call * ENTRY_WORDS + ENTRY_WORDS - 1) * 2] ?? 0;
  }

  /** As `result`, where that may need more than 32 bits. */
  wideResult(call: number): bigint {
    const high = this.#halves[(call * ENTRY_WORDS + ENTRY_WORDS - 1) * 2 + 1] ?? 0;
    return (BigInt(high) << 32n) | BigInt(this.result(call) >>> 0);
  }
}

/** A use after the calls: until here no buffer may be collected. */
export function release(calls: readonly PreparedCall[]): void {
  for (const { kept } of calls) kept.length = 0;
}
