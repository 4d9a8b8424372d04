// What the processor says of itself: the CPUID instruction, Intel SDM volume 2A.
import { addressOf, runCode } from "./call.js";

export interface Cpuid {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

const code = Uint8Array.from(
  [
    [0x53], // push rbx: it belongs to the caller
    [0x89, 0xf8], // mov eax, edi
    [0x89, 0xf1], // mov ecx, esi
    [0x49, 0x89, 0xd0], // mov r8, rdx
    [0x0f, 0xa2], // cpuid
    [0x41, 0x89, 0x00], // mov [r8], eax
    [0x41, 0x89, 0x58, 0x04], // mov [r8+4], ebx
    [0x41, 0x89, 0x48, 0x08], // mov [r8+8], ecx
    [0x41, 0x89, 0x50, 0x0c], // mov [r8+12], edx
    [0x5b], // pop rbx
    [0xc3], // ret
  ].flat(),
);

export function cpuid(leaf: number, subleaf: number): Cpuid {
  const words = new Uint32Array(4);
  runCode(code, [leaf, subleaf, addressOf(new Uint8Array(words.buffer))]);
  const [eax = 0, ebx = 0, ecx = 0, edx = 0] = words;
  return { eax, ebx, ecx, edx };
}
