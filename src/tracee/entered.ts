// Inside a thread that is diverted and goes on where it was.
import { syscalls } from "../kernel/syscalls.js";
import { type Ground, Inside } from "./inside.js";
import type { TargetMemory } from "./memory.js";
import type { Registers, Tracee } from "./tracee.js";

/** Inside a thread that will go on where it was. */
export class Entered extends Inside implements Disposable {
  #entered = false;

  constructor(
    thread: Tracee,
    memory: TargetMemory,
    ground: Ground,
    readonly registers: Registers,
    readonly mask: bigint,
  ) {
    super(thread, memory, ground, registers);
    thread.tracer.guard(thread.tid, { registers, mask });
    // The frame is in place: once the thread points at the stub it can go home by itself, so signals may be held back.
    this.aim(syscalls.getpid.number);
    thread.blockSignals();
    this.#entered = true;
  }

  override wentHome(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.tracee.tracer.unguard();
  }

  [Symbol.dispose](): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.tracee.setSignalMask(this.mask);
    this.tracee.setRegisters(this.registers);
    this.tracee.tracer.unguard();
  }
}
