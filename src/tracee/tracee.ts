// One traced thread: its registers, masks and stops. ptrace(2).
import { NT_X86_XSTATE, PTRACE_O, user_regs_struct } from "../kernel/abi/ptrace.js";
import { seccomp_metadata, sock_filter } from "../kernel/abi/seccomp.js";
import { SIG, SIGSET_BYTES } from "../kernel/abi/signal.js";
import type { Pid } from "../kernel/brand.js";
import type { ShapeOf } from "../kernel/declare/struct.js";
import { unless } from "../kernel/errno.js";
import { StasisError } from "../report/error.js";
import { ourselves, type Tracer } from "./tracer.js";
import { showEvent, type WaitEvent } from "./wait.js";

export const TRACE_OPTIONS = PTRACE_O.PTRACE_O_TRACESYSGOOD;
export type Registers = ShapeOf<typeof user_regs_struct>;

/** How much of the XSAVE area we ask for; the largest known (AMX) is 11008 bytes. */
const XSTATE_ROOM = 16384;
const ALL_SIGNALS = new Uint8Array(SIGSET_BYTES).fill(0xff);

/** A seccomp filter: struct sock_filter[], and the SECCOMP_FILTER_FLAG_... that the kernel tells. */
export interface SeccompProgram {
  readonly bytes: Uint8Array;
  readonly flags: number;
}

/** A thread that we trace and that is stopped. */
export class Tracee {
  constructor(
    /** The thread group: what getpid(2) says inside. */
    readonly pid: Pid,
    readonly tid: Pid,
    readonly comm: string,
    /** PTRACE_O_... that it is traced with. */
    public options: number = TRACE_OPTIONS,
    readonly tracer: Tracer = ourselves,
  ) {}

  get isLeader(): boolean {
    return this.pid === this.tid;
  }

  registers(): Registers {
    const bytes = new Uint8Array(user_regs_struct.sizeBytes);
    this.tracer.sys.ptraceGetRegs(this.tid, 0n, bytes);
    return user_regs_struct.decode(bytes);
  }

  setRegisters(registers: Registers): void {
    this.tracer.sys.ptraceSetRegs(this.tid, 0n, user_regs_struct.encode(registers));
  }

  /** The XSAVE area in its standard, uncompacted form, as long as the kernel makes it. */
  xstate(): Uint8Array {
    return this.tracer.getRegset(this.tid, NT_X86_XSTATE, XSTATE_ROOM);
  }

  setXstate(xstate: Uint8Array): void {
    this.tracer.setRegset(this.tid, NT_X86_XSTATE, xstate);
  }

  signalMask(): bigint {
    const mask = new Uint8Array(SIGSET_BYTES);
    this.tracer.sys.ptraceGetSigmask(this.tid, SIGSET_BYTES, mask);
    return new DataView(mask.buffer).getBigUint64(0, true);
  }

  setSignalMask(mask: bigint): void {
    const bytes = new Uint8Array(SIGSET_BYTES);
    new DataView(bytes.buffer).setBigUint64(0, mask, true);
    this.tracer.sys.ptraceSetSigmask(this.tid, SIGSET_BYTES, bytes);
  }

  blockSignals(): void {
    this.tracer.sys.ptraceSetSigmask(this.tid, SIGSET_BYTES, ALL_SIGNALS);
  }

  /** Lets the thread run to its next syscall entry or exit, and waits for that. Stop signals that come in between are put off. */
  stepSyscall(): WaitEvent {
    const resume = () => this.tracer.sys.ptraceSyscall(this.tid, 0n, 0);
    resume();
    for (let event = this.waitPastStopSignals(resume); ; event = this.waitPastStopSignals(resume)) {
      // A task that was stopped when we came reports that stop again for our interrupt: ptrace(2), "Group-stop".
      if (event.kind !== "stop") return event;
      resume();
    }
  }

  continue(signal = 0): void {
    this.tracer.sys.ptraceCont(this.tid, 0n, signal);
  }

  /** Stops the running thread and waits until it is stopped. */
  interrupt(): WaitEvent {
    this.tracer.sys.ptraceInterrupt(this.tid);
    return this.waitPastStopSignals(() => this.tracer.sys.ptraceCont(this.tid, 0n, 0));
  }

  /** Waits for the next report. SIGSTOP cannot be blocked: one that arrives is held back and sent again by `detach`. */
  waitPastStopSignals(resume: () => void): WaitEvent {
    for (;;) {
      const event = this.tracer.wait(this.tid);
      if (event.kind !== "signal" || event.signal !== SIG.SIGSTOP) return event;
      this.#stopWasSent = true;
      resume();
    }
  }
  #stopWasSent = false;

  /** What the running thread has to report; undefined: nothing. */
  poll(): WaitEvent | undefined {
    return this.tracer.poll(this.tid);
  }

  setOptions(options: number): void {
    this.options = options;
    this.tracer.sys.ptraceSetOptions(this.tid, 0n, options);
  }

  /** Until it is let go, no filter judges what the thread calls. The kernel takes that back when the tracer is gone. */
  suspendSeccomp(): void {
    this.setOptions(this.options | PTRACE_O.PTRACE_O_SUSPEND_SECCOMP);
  }

  /** The oldest first (kernel/seccomp.c, get_nth_filter()); none: the thread has no filters. */
  seccompPrograms(): SeccompProgram[] {
    const programs: SeccompProgram[] = [];
    for (let index = 0; ; index++) {
      const count = unless(["ENOENT", "EINVAL"], () => this.tracer.sys.ptraceSeccompGetFilter(this.tid, index, null));
      if (count === undefined) return programs;
      const bytes = new Uint8Array(count * sock_filter.sizeBytes);
      this.tracer.sys.ptraceSeccompGetFilter(this.tid, index, bytes);
      const metadata = seccomp_metadata.encode({ filter_off: BigInt(index), flags: 0n });
      this.tracer.sys.ptraceSeccompGetMetadata(this.tid, metadata.byteLength, metadata);
      programs.push({ bytes, flags: Number(seccomp_metadata.decode(metadata).flags) });
    }
  }

  /** Lets the thread go on, untraced. */
  detach(): void {
    this.tracer.sys.ptraceDetach(this.tid, 0n, this.#stopWasSent ? SIG.SIGSTOP : 0);
  }

  /** As detach; a thread that died in the meantime is no matter. */
  detachIfAlive(): void {
    unless("ESRCH", () => this.detach());
  }

  /** Waits until the thread is gone. The exit of a thread group's leader is reported when the others have been waited for. */
  awaitEnd(): void {
    for (let event = this.tracer.wait(this.tid); event.kind !== "exited" && event.kind !== "killed"; )
      event = this.tracer.wait(this.tid);
  }

  /** The thread did something that it should not have done: it died, or ran where it should have stopped. */
  lost(doing: string, event: WaitEvent): StasisError {
    return new StasisError({
      code: "TARGET_LOST",
      doing,
      subject: { kind: "process", pid: this.pid, comm: this.comm },
      reason: `its thread ${this.tid} ${showEvent(event)}`,
    });
  }
}
