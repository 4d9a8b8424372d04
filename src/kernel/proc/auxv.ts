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

/** The bytes of /proc/PID/auxv of a 64-bit process. Throws ProcFormatError. */
export function parseAuxv(bytes: Uint8Array): AuxvPair[] {
  if (bytes.byteLength % 16 !== 0) throw new ProcFormatError("auxv", `${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pairs: AuxvPair[] = [];
  for (let at = 0; at < bytes.byteLength; at += 16)
    pairs.push([view.getBigUint64(at, true), view.getBigUint64(at + 8, true)]);
  return pairs;
}
