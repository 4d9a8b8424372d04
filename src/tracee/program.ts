// A program of syscalls: what the stub's loop reads. One entry is 64 bytes: number, six arguments, result.
import type { Word } from "../kernel/call.js";
import { type Syscall, showArguments, type ThereArgs } from "../kernel/declare/syscall.js";
import { type Syscalls, syscalls } from "../kernel/syscalls.js";

export const ENTRY_BYTES = 64;
const ENTRY_WORDS = 8;

/** One syscall to be made inside a target. */
export interface RemoteCall {
  readonly row: Syscall;
  readonly words: readonly Word[];
  readonly shown: () => string[];
  /** What the kernel must have returned; absent: anything but a failure. */
  readonly expected: bigint | undefined;
}

type RemoteCalls = {
  readonly [K in keyof Syscalls]: Syscalls[K] extends Syscall<infer A, infer _R>
    ? (...args: ThereArgs<A>) => RemoteCall
    : never;
};

/** Builds entries of a program: `remote.munmap(address, 4096n)` is a call to be made, not one made. */
export const remote = Object.fromEntries(
  Object.entries(syscalls).map(([name, row]) => [name, (...values: unknown[]) => remoteCall(row, values)]),
) as unknown as RemoteCalls;

// A program has 20,000 mappings now and then: a loop here is three times as fast as spreads and map().
function remoteCall(row: Syscall, values: readonly unknown[]): RemoteCall {
  const words: Word[] = row.command.slice();
  const { args } = row;
  for (let index = 0; index < args.length; index++) words.push(args[index]?.[1].there(values[index]) ?? 0);
  return { row, words, shown: () => showArguments(row, values), expected: undefined };
}

/** The call must return exactly this, e.g. the length that was asked for. */
export const expecting = ({ row, words, shown }: RemoteCall, expected: bigint): RemoteCall => ({
  row,
  words,
  shown,
  expected,
});

export function encodeProgram(calls: readonly RemoteCall[]): Uint8Array {
  const words = new BigInt64Array(calls.length * ENTRY_WORDS);
  let at = 0;
  for (const { row, words: args } of calls) {
    words[at] = BigInt(row.number);
    for (let index = 0; index < args.length; index++) words[at + 1 + index] = BigInt(args[index] ?? 0);
    words[at + 7] = UNTOUCHED;
    at += ENTRY_WORDS;
  }
  return new Uint8Array(words.buffer);
}

/** Stands in the result of an entry that was not reached: no syscall returns it. */
export const UNTOUCHED = -0x7374617369733030n;

export function decodeResults(bytes: Uint8Array): bigint[] {
  const words = new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  return Array.from({ length: words.length / ENTRY_WORDS }, (_, index) => words[index * ENTRY_WORDS + 7] ?? UNTOUCHED);
}
