// A list of syscalls in memory, and the machine code that makes one after another of them: in ourselves (batch.ts) or in a target (tracee/stub.ts).
// An entry is 64 bytes: number, six arguments, result.
import type { Word } from "./call.js";
import type { Syscall } from "./declare/syscall.js";

export const ENTRY_WORDS = 8;
export const ENTRY_BYTES = ENTRY_WORDS * 8;
const RESULT = ENTRY_WORDS - 1;

/** A syscall and the words of its arguments. */
export interface ListedCall {
  readonly row: Syscall;
  readonly words: readonly Word[];
}

/** Stands in the result of an entry that was not reached: no syscall returns it. */
export const UNTOUCHED = -0x7374617369733030n;

// A list has 20,000 entries now and then: a loop here is three times as fast as spreads and map().
export function encodeCallList(calls: readonly ListedCall[]): Uint8Array {
  const words = new BigInt64Array(calls.length * ENTRY_WORDS);
  let at = 0;
  for (const { row, words: args } of calls) {
    words[at] = BigInt(row.number);
    for (let index = 0; index < args.length; index++) words[at + 1 + index] = BigInt(args[index] ?? 0);
    words[at + RESULT] = UNTOUCHED;
    at += ENTRY_WORDS;
  }
  return new Uint8Array(words.buffer);
}

/** What the kernel returned, negative errno on failure, an element an entry. */
export function decodeResults(list: Uint8Array): bigint[] {
  const words = new BigInt64Array(list.buffer, list.byteOffset, list.byteLength / 8);
  const count = words.length / ENTRY_WORDS;
  return Array.from({ length: count }, (_, index) => words[index * ENTRY_WORDS + RESULT] ?? UNTOUCHED);
}

/** Makes the call of the entry at r12 and keeps its result there; 45 bytes. Clobbers what a syscall and its arguments take. */
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
