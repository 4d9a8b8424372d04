// Stopping a whole process tree: every thread of every process is seized and interrupted. ptrace(2), PTRACE_SEIZE.
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { timespec } from "../kernel/abi/time.js";
import type { Pid } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { readStat, type TaskStat } from "../kernel/proc/stat.js";
import { readStatus, readThreadStatus } from "../kernel/proc/status.js";
import { listChildren, listThreads } from "../kernel/proc/tasks.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Guardian } from "./guardian.js";
import { TRACE_OPTIONS, Tracee } from "./tracee.js";
import { ourselves, type Tracer } from "./tracer.js";
import type { WaitEvent } from "./wait.js";

/** A live process with all its threads stopped. */
export interface FrozenProcess {
  readonly state: "alive";
  readonly pid: Pid;
  readonly comm: string;
  /** The leader comes first, unless it has ended: then it is not among them. */
  readonly threads: Tracee[];
  /** The first of them: what /proc shows of memory and files is that thread's, and nothing when it has ended. */
  readonly living: Pid;
  readonly stat: TaskStat;
  /** The signal that had stopped it before we came (SIGSTOP, SIGTSTP, ...); absent: it was running. */
  readonly stoppedBy?: number;
}
/** A child that nobody waited for yet. */
export interface Zombie {
  readonly state: "zombie";
  readonly pid: Pid;
  readonly comm: string;
  readonly stat: TaskStat;
}
export type FrozenTask = FrozenProcess | Zombie;

const SIGTRAP = 5;
const PAUSE = timespec.encode({ tv_sec: 0n, tv_nsec: 200_000n });
const PF_KTHREAD = 0x200000;
const CONFINED_OPTIONS = TRACE_OPTIONS | PTRACE_O.PTRACE_O_SUSPEND_SECCOMP;

/**
 * Freezes the tree under `root`; the result is in depth-first order, the root first. When it throws, whatever was stopped
 * runs again.
 */
export function freezeTree(root: Pid, options: { readonly timeoutMs: number; readonly engine: Pid }): FrozenTask[] {
  const freezing = new Freezing(
    root,
    options.timeoutMs === 0 ? undefined : Date.now() + options.timeoutMs,
    options.engine,
  );
  try {
    return freezing.run();
  } catch (error) {
    thaw([...freezing.tasks.values()]);
    freezing.guardian?.end();
    throw error;
  }
}

/** Lets every thread go on, untraced. A thread that died meanwhile is no matter. */
export function thaw(tasks: readonly FrozenTask[]): void {
  for (const task of tasks) {
    if (task.state !== "alive") continue;
    for (const thread of task.threads) thread.detachIfAlive();
  }
  endTracers(tasks);
}

/** When no thread is needed any more: guardians have done their work. */
export function endTracers(tasks: readonly FrozenTask[]): void {
  const threads = tasks.flatMap((task) => (task.state === "alive" ? task.threads : []));
  for (const tracer of new Set(threads.map((thread) => thread.tracer))) tracer.end();
}

class Freezing {
  readonly tasks = new Map<Pid, FrozenTask>();

  constructor(
    readonly root: Pid,
    readonly deadline: number | undefined,
    readonly engine: Pid,
  ) {}

  run(): FrozenTask[] {
    this.#checkRoot();
    // A running task may still have made children when its parent was listed: list again until nothing new turns up.
    for (let known = -1; known !== this.#count(); ) {
      known = this.#count();
      this.#freezeUnder(this.root);
    }
    return this.#inOrder(this.root);
  }

  #count(): number {
    return [...this.tasks.values()].reduce((sum, task) => sum + (task.state === "alive" ? task.threads.length : 1), 0);
  }

  #checkRoot(): void {
    const stat = readStat(this.root);
    const status = readStatus(this.root);
    if (stat === undefined || status === undefined) {
      throw refused(this.root, "?", "no such process", "name a process that is running");
    }
    const refuse = (reason: string, remedy: string): never => {
      throw refused(this.root, stat.comm, reason, remedy);
    };
    if (status.tgid !== this.root) refuse(`it is a thread of process ${status.tgid}`, `name process ${status.tgid}`);
    if (stat.state === "Z" && stat.numThreads <= 1) refuse("it is a zombie", "name a process that is running");
    if ((stat.flags & PF_KTHREAD) !== 0) refuse("it is a kernel thread", "name a process of user space");
    if (status.tracerPid !== 0)
      refuse(`process ${status.tracerPid} traces it`, "end the debugger or the other dump first");
  }

  #freezeUnder(pid: Pid): void {
    const task = this.#freezeTask(pid);
    if (task === undefined || task.state === "zombie") return;
    for (const child of listChildren(pid)) this.#freezeUnder(child);
  }

  #freezeTask(pid: Pid): FrozenTask | undefined {
    const known = this.tasks.get(pid);
    if (known !== undefined) {
      if (known.state === "alive") this.#freezeThreads(known.pid, known.comm, known.threads);
      return known;
    }
    if (pid === this.engine) throw this.#engineInside();
    const stat = readStat(pid);
    if (stat === undefined) return undefined;
    if (stat.state === "Z" && stat.numThreads <= 1) return this.#keep({ state: "zombie", pid, comm: stat.comm, stat });
    const threads: Tracee[] = [];
    const placeholder: FrozenProcess = { state: "alive", pid, comm: stat.comm, threads, living: pid, stat };
    this.tasks.set(pid, placeholder); // so that a failure half-way lets these threads go
    const stoppedBy = this.#freezeThreads(pid, stat.comm, threads);
    threads.sort((one, other) => Number(other.isLeader) - Number(one.isLeader));
    const living = threads[0]?.tid;
    if (living === undefined) {
      this.tasks.delete(pid);
      return undefined;
    }
    const frozenStat = statOf(pid, living) ?? stat;
    return this.#keep({ ...placeholder, living, stat: frozenStat, ...(stoppedBy === undefined ? {} : { stoppedBy }) });
  }

  #keep(task: FrozenTask): FrozenTask {
    this.tasks.set(task.pid, task);
    return task;
  }

  /** Seizes the threads that are not yet among `threads`; result: the signal of a group stop that was in force. */
  #freezeThreads(pid: Pid, comm: string, threads: Tracee[]): number | undefined {
    let stoppedBy: number | undefined;
    for (let found = true; found; ) {
      found = false;
      for (const tid of listThreads(pid)) {
        if (threads.some((thread) => thread.tid === tid)) continue;
        const stop = this.#freezeThread(pid, tid, comm, threads);
        found ||= stop !== "gone";
        if (typeof stop === "number" && stop !== SIGTRAP) stoppedBy = stop;
      }
    }
    return stoppedBy;
  }

  #freezeThread(pid: Pid, tid: Pid, comm: string, threads: Tracee[]): number | "gone" {
    const confined = isConfined(pid, tid);
    const tracer = confined ? this.#guardian() : ourselves;
    const options = confined ? CONFINED_OPTIONS : TRACE_OPTIONS;
    try {
      tracer.sys.ptraceSeize(tid, 0n, options);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return this.#notSeized(pid, tid, comm, error);
    }
    const tracee = new Tracee(pid, tid, comm, options, tracer);
    threads.push(tracee);
    tracer.sys.ptraceInterrupt(tid);
    const signal = this.#awaitStop(tracee);
    if (signal === "gone") threads.splice(threads.indexOf(tracee), 1);
    if (signal === "gone" || confined || !isConfined(pid, tid)) return signal;
    // It confined itself while we came.
    threads.splice(threads.indexOf(tracee), 1);
    tracee.detachIfAlive();
    return this.#freezeThread(pid, tid, comm, threads);
  }

  #guardian(): Tracer {
    this.guardian ??= Guardian.start();
    return this.guardian;
  }
  guardian: Guardian | undefined;

  #notSeized(pid: Pid, tid: Pid, comm: string, error: SyscallError): "gone" {
    const stat = readStat(tid);
    if (error.errno === "ESRCH" || stat === undefined || stat.state === "Z" || stat.state === "X") return "gone";
    const tracer = readStatus(tid)?.tracerPid ?? 0;
    const why = isConfined(pid, tid) ? "; it is under seccomp, to suspend which stasis must not be so itself" : "";
    const reason = tracer === 0 ? `it cannot be traced (${error.message}${why})` : `process ${tracer} traces it`;
    throw refused(pid, comm, reason, "end the tracer, or run with CAP_SYS_PTRACE in its user namespace");
  }

  #awaitStop(tracee: Tracee): number | "gone" {
    const event = this.#await(tracee);
    switch (event.kind) {
      case "stop":
        return event.signal;
      case "signal":
        // A signal was on its way: it goes in, and the stop that we asked for follows at once.
        tracee.continue(event.signal);
        return this.#awaitStop(tracee);
      case "exited":
      case "killed":
        return "gone";
      default:
        throw tracee.lost("stop", event);
    }
  }

  #await(tracee: Tracee): WaitEvent {
    for (let round = 0; ; round++) {
      const event = tracee.poll();
      if (event !== undefined) return event;
      if (this.deadline !== undefined && Date.now() > this.deadline) throw this.#timedOut(tracee);
      if (round < 50) sys.sched_yield();
      else unless("EINTR", () => sys.nanosleep(PAUSE, null));
    }
  }

  #timedOut({ pid, tid, comm }: Tracee): StasisError {
    const state = readStat(tid)?.state ?? "?";
    return new StasisError({
      code: "TASK_UNSUPPORTED",
      doing: "freeze",
      subject: { kind: "process", pid, comm },
      reason: `thread ${tid} did not stop in time (state ${state})`,
      remedy: "raise --timeout, or wait until its uninterruptible call is over",
    });
  }

  #engineInside(): StasisError {
    return new StasisError({
      code: "TREE_UNSUPPORTED",
      doing: "dump",
      subject: { kind: "process", pid: this.root, comm: readStat(this.root)?.comm ?? "?" },
      reason: `stasis itself (pid ${this.engine}) is inside its tree`,
      remedy: "ask a service that was started elsewhere",
    });
  }

  #inOrder(pid: Pid): FrozenTask[] {
    const task = this.tasks.get(pid);
    if (task === undefined) return [];
    if (task.state === "zombie") return [task];
    return [task, ...listChildren(pid).flatMap((child) => this.#inOrder(child))];
  }
}

/** As the kernel shows it by a thread that lives: of a leader that has ended it shows no memory any more, but how it ended. */
function statOf(pid: Pid, living: Pid): TaskStat | undefined {
  const leader = readStat(pid);
  const stat = readStat(living);
  if (leader === undefined || stat === undefined) return undefined;
  return { ...stat, pid, comm: leader.comm, exitCode: leader.exitCode };
}

/** Under seccomp: its filters judge system calls, ours too. */
function isConfined(pid: Pid, tid: Pid): boolean {
  return (readThreadStatus(pid, tid)?.seccomp ?? 0) !== 0;
}

function refused(pid: Pid, comm: string, reason: string, remedy: string): StasisError {
  return new StasisError({
    code: "NO_SUCH_PROCESS",
    doing: "freeze",
    subject: { kind: "process", pid, comm },
    reason,
    remedy,
  });
}
