// Threads seized and stopped, one after the other or many at once: ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT.
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { timespec } from "../kernel/abi/time.js";
import type { Pid } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { readStat } from "../kernel/proc/stat.js";
import { readStatus, readThreadStatus } from "../kernel/proc/status.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Guardian } from "./guardian.js";
import { TRACE_OPTIONS, Tracee } from "./tracee.js";
import { ourselves, type Tracer } from "./tracer.js";
import type { WaitEvent } from "./wait.js";

const PAUSE = timespec.encode({ tv_sec: 0n, tv_nsec: 200_000n });
const CONFINED_OPTIONS = TRACE_OPTIONS | PTRACE_O.PTRACE_O_SUSPEND_SECCOMP;

/** Who a thread is. */
export interface ThreadName {
  readonly pid: Pid;
  readonly tid: Pid;
  readonly comm: string;
}
/** A thread that is stopped. */
export interface Stop {
  readonly thread: Tracee;
  /** SIGTRAP, or the signal of a group stop that was in force. */
  readonly signal: number;
}

export class Seizing implements Disposable {
  #guardian: Guardian | undefined;

  /** `deadline`: until when threads may take to stop, in milliseconds of Date; undefined: as long as it takes. */
  constructor(readonly deadline: number | undefined) {}

  /** Asks a thread to stop, without waiting for it; undefined: it is gone. */
  seize(name: ThreadName): Tracee | undefined {
    return this.#seizeBy(ourselves, TRACE_OPTIONS, name);
  }

  /** Waits for a thread that was asked to stop; undefined: it is gone. One under seccomp gets another tracer. */
  settle(thread: Tracee): Stop | undefined {
    const stop = this.#awaitStop(thread);
    if (stop === undefined || !isConfined(thread)) return stop;
    thread.detachIfAlive();
    this.#guardian ??= Guardian.start();
    const guarded = this.#seizeBy(this.#guardian, CONFINED_OPTIONS, thread);
    return guarded && this.#awaitStop(guarded);
  }

  #seizeBy(tracer: Tracer, options: number, name: ThreadName): Tracee | undefined {
    const { pid, tid, comm } = name;
    try {
      tracer.sys.ptraceSeize(tid, 0n, options);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#checkGone(name, error);
      return undefined;
    }
    tracer.sys.ptraceInterrupt(tid);
    return new Tracee(pid, tid, comm, options, tracer);
  }

  /** Throws StasisError unless it could not be seized because it is gone. */
  #checkGone({ pid, tid, comm }: ThreadName, error: SyscallError): void {
    const stat = readStat(tid);
    if (error.errno === "ESRCH" || stat === undefined || stat.state === "Z" || stat.state === "X") return;
    const tracer = readStatus(tid)?.tracerPid ?? 0;
    const why = isConfined({ pid, tid }) ? "; it is under seccomp, to suspend which stasis must not be so itself" : "";
    const reason = tracer === 0 ? `it cannot be traced (${error.message}${why})` : `process ${tracer} traces it`;
    throw refused(pid, comm, reason, "end the tracer, or run with CAP_SYS_PTRACE in its user namespace");
  }

  #awaitStop(thread: Tracee): Stop | undefined {
    const event = this.#await(thread);
    switch (event.kind) {
      case "stop":
        return { thread, signal: event.signal };
      case "signal":
        // A signal was on its way: it goes in, and the stop that we asked for follows at once.
        thread.continue(event.signal);
        return this.#awaitStop(thread);
      case "exited":
      case "killed":
        return undefined;
      default:
        throw thread.lost("stop", event);
    }
  }

  #await(thread: Tracee): WaitEvent {
    for (let round = 0; ; round++) {
      const event = thread.poll();
      if (event !== undefined) return event;
      if (this.deadline !== undefined && Date.now() > this.deadline) throw timedOut(thread);
      if (round < 50) sys.sched_yield();
      else unless("EINTR", () => sys.nanosleep(PAUSE, null));
    }
  }

  /** Lets go of what the guardian has. */
  [Symbol.dispose](): void {
    this.#guardian?.end();
  }
}

/** Under seccomp: its filters judge system calls, ours too. */
function isConfined({ pid, tid }: { readonly pid: Pid; readonly tid: Pid }): boolean {
  return (readThreadStatus(pid, tid)?.seccomp ?? 0) !== 0;
}

function timedOut({ pid, tid, comm }: Tracee): StasisError {
  const state = readStat(tid)?.state ?? "?";
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "freeze",
    subject: { kind: "process", pid, comm },
    reason: `thread ${tid} did not stop in time (state ${state})`,
    remedy: "raise --timeout, or wait until its uninterruptible call is over",
  });
}

export function refused(pid: Pid, comm: string, reason: string, remedy: string): StasisError {
  return new StasisError({
    code: "NO_SUCH_PROCESS",
    doing: "freeze",
    subject: { kind: "process", pid, comm },
    reason,
    remedy,
  });
}
