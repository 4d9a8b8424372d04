// Threads seized and stopped, one after the other or many at once: ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT.
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { timespec } from "../kernel/abi/time.js";
import type { Pid } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { readStat } from "../kernel/proc/stat.js";
import { readSeccompMode, readStatus } from "../kernel/proc/status.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Guardian } from "./guardian.js";
import { timedCallOf } from "./timed-call.js";
import { type ThreadName, TRACE_OPTIONS, Tracee } from "./tracee.js";
import { ourselves, type Tracer } from "./tracer.js";
import { vforkChildren, waitsForChild } from "./vfork.js";
import type { WaitEvent } from "./wait.js";

const PAUSE = timespec.encode({ tv_sec: 0n, tv_nsec: 200_000n });
/** Rounds of waiting for a stop without a pause, and after how many more a look is taken at why it does not come. */
const QUICK_ROUNDS = 50;
const ROUNDS_A_LOOK = 25;
/** How long others stay frozen for a child of vfork(2) that is about to call execve(2). */
const VFORK_PATIENCE_MS = 2000;
const CONFINED_OPTIONS = TRACE_OPTIONS | PTRACE_O.PTRACE_O_SUSPEND_SECCOMP;

/** A thread that is stopped. */
export interface Stop {
  readonly thread: Tracee;
  /** SIGTRAP, or the signal of a group stop that was in force. */
  readonly signal: number;
}

export class Seizing implements Disposable {
  #guardian: Guardian | undefined;

  /**
   * `deadline`: until when threads may take to stop, in milliseconds of Date; undefined: as long as it takes. `letRun` is called with processes
   * that have to run on before a thread can stop.
   */
  constructor(
    readonly deadline: number | undefined,
    readonly letRun: (pids: readonly Pid[]) => void,
  ) {}

  /**
   * Asks a thread to stop, without waiting for it; undefined: it is gone. One that waits in vfork(2) is let come out of it before: a thread that
   * does not stop cannot be detached either, and would stay ours until we end.
   */
  seize(name: ThreadName): Tracee | undefined {
    this.#awaitVforkChildren(name);
    const timedCall = timedCallOf(name.pid, name.tid);
    const thread = this.#seizeBy(ourselves, TRACE_OPTIONS, name);
    if (thread !== undefined) thread.timedCall = timedCall;
    return thread;
  }

  /** Waits for a thread that was asked to stop; undefined: it is gone. One under seccomp gets another tracer. */
  settle(thread: Tracee): Stop | undefined {
    const stop = this.#awaitStop(thread);
    if (stop === undefined || !isConfined(thread)) return stop;
    thread.detachIfAlive();
    this.#guardian ??= Guardian.start();
    const guarded = this.#seizeBy(this.#guardian, CONFINED_OPTIONS, thread);
    if (guarded !== undefined) guarded.timedCall = thread.timedCall;
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
    throw refused({ pid, comm }, reason, "end the tracer, or run with CAP_SYS_PTRACE in its user namespace");
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
    const since = Date.now();
    for (let round = 0; ; round++) {
      const event = thread.poll();
      if (event !== undefined) return event;
      this.#checkDeadline(thread);
      if (round >= QUICK_ROUNDS && round % ROUNDS_A_LOOK === 0) this.#letVforkChildrenRun(thread, since);
      if (round < QUICK_ROUNDS) sys.sched_yield();
      else pause();
    }
  }

  #awaitVforkChildren(thread: ThreadName): void {
    const since = Date.now();
    while (this.#letVforkChildrenRun(thread, since)) {
      this.#checkDeadline(thread);
      pause();
    }
  }

  /** False: it waits for none. */
  #letVforkChildrenRun(thread: ThreadName, since: number): boolean {
    const children = vforkChildren(thread);
    const [child] = children;
    if (child === undefined) return false;
    if (Date.now() - since > VFORK_PATIENCE_MS) throw waitsForChild(thread, child);
    this.letRun(children);
    return true;
  }

  #checkDeadline(thread: ThreadName): void {
    if (this.deadline !== undefined && Date.now() > this.deadline) throw timedOut(thread);
  }

  /** Lets go of what the guardian has. */
  [Symbol.dispose](): void {
    this.#guardian?.end();
  }
}

/** Under seccomp: its filters judge system calls, ours too. */
function isConfined({ pid, tid }: { readonly pid: Pid; readonly tid: Pid }): boolean {
  return (readSeccompMode(pid, tid) ?? 0) !== 0;
}

function pause(): void {
  unless("EINTR", () => sys.nanosleep(PAUSE, null));
}

function timedOut({ pid, tid, comm }: ThreadName): StasisError {
  const state = readStat(tid)?.state ?? "?";
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "freeze",
    subject: { kind: "process", pid, comm },
    reason: `thread ${tid} did not stop in time (state ${state})`,
    remedy: "raise --timeout, or wait until its uninterruptible call is over",
  });
}

export function refused(
  process: { readonly pid: Pid; readonly comm?: string },
  reason: string,
  remedy: string,
): StasisError {
  return new StasisError({
    code: "NO_SUCH_PROCESS",
    doing: "freeze",
    subject: { kind: "process", ...process },
    reason,
    remedy,
  });
}
