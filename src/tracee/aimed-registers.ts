// The registers of a thread that we have make calls: those that it was found with, but for a few. They are encoded once; each run of the stub sets
// all of them, and to put such an object together takes longer than the kernel takes to set it.
import { user_regs_struct } from "../kernel/abi/ptrace.js";
import type { Registers } from "./tracee.js";

const bytes = new Uint8Array(user_regs_struct.sizeBytes);
const words = new BigUint64Array(bytes.buffer);
const wordOf = new Map(user_regs_struct.fields.map(({ name, offset }) => [name, offset >> 3]));

export class AimedRegisters {
  readonly #found: Uint8Array;

  constructor(found: Registers) {
    this.#found = user_regs_struct.encode(found);
  }

  /** As PTRACE_SETREGS takes them. Holds until any others are asked for. */
  with(changes: Partial<Registers>): Uint8Array {
    bytes.set(this.#found);
    for (const [name, value] of Object.entries(changes)) words[wordOf.get(name) ?? -1] = value;
    return bytes;
  }
}
