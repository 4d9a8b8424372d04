// Whether this machine runs 32-bit code. Not every kernel with CONFIG_IA32_EMULATION does: it can be told not to (ia32_emulation=0), and a guest
// may be unable to. The one who knows is execve(2): arch/x86/include/asm/elf.h, compat_elf_check_arch().
import { spawnSync } from "node:child_process";
import { programFile } from "./program-file.js";

const HEADER_BYTES = 52;
const PROGRAM_HEADER_BYTES = 32;
const ENTRY_BYTES = HEADER_BYTES + PROGRAM_HEADER_BYTES;
const LOADED_AT = 0x400000;
const STATUS = 32;

let answer: boolean | undefined;

/** Runs a program of 32-bit code that ends at once; the answer is kept. */
export function runs32BitCode(): boolean {
  answer ??= endsAsTold();
  return answer;
}

function endsAsTold(): boolean {
  using file = programFile("32-bit", program());
  // Where the kernel does not take it, execvp(3) has a shell read it, which fails.
  return spawnSync(`/proc/self/fd/${file.fd}`, { stdio: "ignore" }).status === STATUS;
}

/** elf(5): a header, one segment, exit(2). */
function program(): Uint8Array {
  const exit = Uint8Array.of(0x31, 0xc0, 0x40, 0xb3, STATUS, 0xcd, 0x80); // xor eax, eax; inc eax; mov bl, STATUS; int 0x80
  const bytes = new Uint8Array(ENTRY_BYTES + exit.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const halves = [2, 3] as const; // ET_EXEC, EM_386
  for (const [index, half] of halves.entries()) view.setUint16(16 + 2 * index, half, true);
  const words = [1, LOADED_AT + ENTRY_BYTES, HEADER_BYTES, 0, 0];
  for (const [index, word] of words.entries()) view.setUint32(20 + 4 * index, word, true);
  const sizes = [HEADER_BYTES, PROGRAM_HEADER_BYTES, 1, 0, 0, 0];
  for (const [index, size] of sizes.entries()) view.setUint16(40 + 2 * index, size, true);
  const PT_LOAD = 1;
  const READ_AND_EXECUTE = 5;
  const segment = [PT_LOAD, 0, LOADED_AT, LOADED_AT, bytes.length, bytes.length, READ_AND_EXECUTE, 0x1000];
  for (const [index, word] of segment.entries()) view.setUint32(HEADER_BYTES + 4 * index, word, true);
  bytes.set(exit, ENTRY_BYTES);
  return bytes;
}
