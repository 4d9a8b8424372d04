// One traced thread: its registers, masks and stops. ptrace(2).
import { NT_X86_XSTATE, PTRACE_O, user_regs_struct } from "../kernel/abi/ptrace.js";
import { seccomp_metadata, sock_filter } from "../kernel/abi/seccomp.js";
import { SIG, SIGSET_BYTES } from "../kernel/abi/signal.js";
import type { Pid } from "../kernel/brand.js";
import type { ShapeOf } from "../kernel/declare/struct.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import type { TimedCall } from "./timed-call.js";
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

/** Who a thread is. */
export interface ThreadName {
  /** The thread group: what getpid(2) says inside. */
  readonly pid: Pid;
  readonly tid: Pid;
  readonly comm: string;
}

/** A thread that we trace and that is stopped. */
export class Tracee implements ThreadName {
  constructor(
    readonly pid: Pid,
    readonly tid: Pid,
    readonly comm: string,
    /** PTRACE_O_... that it is traced with. */
    public options: number = TRACE_OPTIONS,
    readonly tracer: Tracer = ourselves,
  ) {}

  /** In what it slept when it was found. */
  timedCall: TimedCall | undefined;

  get isLeader(): boolean {
    return this.pid === this.tid;
  }

  registers(): Registers {
    const bytes = new Uint8Array(user_regs_struct.sizeBytes);
    this.tracer.sys.ptraceGetRegs(this.tid, 0n, bytes);
    return user_regs_struct.decode(bytes);
  }

  setRegisters(registers: Registers): void {
    this.setEncodedRegisters(user_regs_struct.encode(registers));
  }

  /** A struct user_regs_struct. */
  setEncodedRegisters(bytes: Uint8Array): void {
    this.tracer.sys.ptraceSetRegs(this.tid, 0n, bytes);
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

  /** Lets the thread run to its next syscall entry or exit, and waits for that. */
  stepSyscall(): WaitEvent {
    this.continueToSyscall();
    return this.finishStep(this.tracer.wait(this.tid));
  }

  /** What became of a step, the first report of which is `event`. Stop signals that come in between are put off. */
  finishStep(event: WaitEvent): WaitEvent {
    let last = this.pastStopSignals(event, () => this.continueToSyscall());
    // A task that was stopped when we came reports that stop again for our interrupt: ptrace(2), "Group-stop".
    while (last.kind === "stop") {
      this.continueToSyscall();
      last = this.waitPastStopSignals(() => this.continueToSyscall());
    }
    return last;
  }

  continue(signal = 0): void {
    this.tracer.sys.ptraceCont(this.tid, 0n, signal);
  }

  /** As continue, to the next syscall entry or exit. */
  continueToSyscall(): void {
    this.tracer.sys.ptraceSyscall(this.tid, 0n, 0);
  }

  /** Stops the running thread and waits until it is stopped. */
  interrupt(): WaitEvent {
    this.askToStop();
    return this.waitPastStopSignals(() => this.continue());
  }

  /** Does not wait for it. */
  askToStop(): void {
    this.tracer.sys.ptraceInterrupt(this.tid);
  }

  /** Waits for the next report, whatever it is. */
  wait(): WaitEvent {
    return this.tracer.wait(this.tid);
  }

  /**
   * From one stop to that of an interrupt, without executing anything in between. An interrupt that was asked for before is gone with
   * any other stop: kernel/signal.c, ptrace_stop().
   */
  stopAtOnce(): WaitEvent {
    this.tracer.sys.ptraceInterrupt(this.tid);
    this.continue();
    return this.waitPastStopSignals(() => this.continue());
  }

  /** Waits for the next report. SIGSTOP cannot be blocked: one that arrives is held back and sent again by `detach`. */
  waitPastStopSignals(resume: () => void): WaitEvent {
    return this.pastStopSignals(this.wait(), resume);
  }

  /** As waitPastStopSignals, when `first` has been reported already. */
  pastStopSignals(first: WaitEvent, resume: () => void): WaitEvent {
    for (let event = first; ; event = this.tracer.wait(this.tid)) {
      if (event.kind !== "signal" || event.signal !== SIG.SIGSTOP) return event;
      this.#stopWasSent = true;
      resume();
    }
  }
  #stopWasSent = false;

  /** SIGSTOP came while it was traced, and is held back: the process is as good as stopped. */
  get stopIsHeld(): boolean {
    return this.#stopWasSent;
  }

  /** What the running thread has to report; undefined: nothing. */
  poll(): WaitEvent | undefined {
    return this.tracer.poll(this.tid);
  }

  /** Stops the process by SIGSTOP, whatever else is pending. This thread executes nothing meanwhile; nor do others that are stopped. */
  takeStop(): void {
    const mask = this.signalMask();
    this.blockSignals();
    sys.tgkill(this.pid, this.tid, SIG.SIGSTOP);
    this.continue();
    for (let event = this.tracer.wait(this.tid); event.kind !== "stop" || event.signal !== SIG.SIGSTOP; ) {
      if (event.kind === "exited" || event.kind === "killed") throw this.lost("stop", event);
      this.continue(event.kind === "signal" ? event.signal : 0);
      event = this.tracer.wait(this.tid);
    }
    this.setSignalMask(mask);
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

  /** As detach; a thread that died in the meantime is no matter. False: it did. */
  detachIfAlive(): boolean {
    return (
      unless("ESRCH", () => {
        this.detach();
        return true;
      }) ?? false
    );
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
