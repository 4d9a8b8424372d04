// What the kernel told the program at execve(2): proc_pid_auxv(5), getauxval(3); include/uapi/linux/auxvec.h.
import type { Pid } from "../brand.js";
import { ProcFormatError, readProcBytes } from "./read.js";

export const AT_NULL = 0n;
export const AT_PHDR = 3n;
export const AT_ENTRY = 9n;
export const AT_SYSINFO_EHDR = 33n;

export type AuxvPair = readonly [type: bigint, value: bigint];

/** The vector with its AT_NULL at the end; empty when the process is gone or a zombie. */
export function readAuxv(pid: Pid): AuxvPair[] {
  return parseAuxv(readProcBytes(pid, "auxv") ?? new Uint8Array());
}

/** The bytes of /proc/PID/auxv: pairs of words, which have 32 bits in a 32-bit process. Throws ProcFormatError. */
export function parseAuxv(bytes: Uint8Array): AuxvPair[] {
  if (bytes.byteLength % 16 !== 0) throw new ProcFormatError("auxv", `${bytes.byteLength} bytes`);
  return isCompat(bytes)
    ? pairsOf(new Uint32Array(new Uint8Array(bytes).buffer))
    : pairsOf(new BigUint64Array(new Uint8Array(bytes).buffer));
}

/** Types are small numbers: where the first one is not, a value shares its 64 bits with it. */
function isCompat(bytes: Uint8Array): boolean {
  const upperHalf = bytes.subarray(4, 8);
  return upperHalf.some((byte) => byte !== 0);
}

function pairsOf(words: Uint32Array | BigUint64Array): AuxvPair[] {
  const pairs: AuxvPair[] = [];
  for (let at = 0; at < words.length; at += 2) pairs.push([BigInt(words[at] ?? 0), BigInt(words[at + 1] ?? 0)]);
  return pairs;
}

/** The bytes as words of 64 bits, as the kernel takes them again (PR_SET_MM_AUXV), without the closing AT_NULL and what is behind it. */
export function readAuxvWords(pid: Pid): bigint[] {
  const bytes = readProcBytes(pid, "auxv") ?? new Uint8Array();
  const pairs = parseAuxv(bytes);
  const end = pairs.findIndex(([type]) => type === AT_NULL);
  const lengthBytes = end < 0 ? bytes.byteLength : end * (bytes.byteLength / pairs.length);
  return [...new BigUint64Array(new Uint8Array(bytes.subarray(0, lengthBytes)).buffer)];
}
