// Stopping a whole process tree. All threads that are found are asked to stop before the first one is waited for: on a busy machine each
// takes a while to come to it.
import { asPid, type Pid } from "../kernel/brand.js";
import { readStat, type TaskStat } from "../kernel/proc/stat.js";
import { readStatus, type TaskStatus } from "../kernel/proc/status.js";
import { listChildren, listThreads } from "../kernel/proc/tasks.js";
import { StasisError } from "../report/error.js";
import { letGo } from "./let-go.js";
import { refused, Seizing } from "./seizing.js";
import type { Tracee } from "./tracee.js";

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
const PF_KTHREAD = 0x200000;

/**
 * Freezes the tree under `root`; the result is in depth-first order, the root first. When it throws, whatever was stopped
 * runs again.
 */
export function freezeTree(root: Pid, options: { readonly timeoutMs: number; readonly engine: Pid }): FrozenTask[] {
  const deadline = options.timeoutMs === 0 ? undefined : Date.now() + options.timeoutMs;
  const freezing = new Freezing(root, options.engine, deadline);
  try {
    return freezing.run();
  } catch (error) {
    freezing.release();
    throw error;
  }
}

/** Lets every thread go on, untraced. */
export function thaw(tasks: readonly FrozenTask[]): void {
  for (const task of tasks) {
    if (task.state !== "alive") continue;
    letGo(task.threads);
  }
  endTracers(tasks);
}

/** When no thread is needed any more: guardians have done their work. */
export function endTracers(tasks: readonly FrozenTask[]): void {
  const threads = tasks.flatMap((task) => (task.state === "alive" ? task.threads : []));
  for (const tracer of new Set(threads.map((thread) => thread.tracer))) tracer.end();
}

/** Throws StasisError when the process cannot be the root of a dump, as far as /proc tells. */
export function refuseRoot(root: Pid): void {
  const stat = readStat(root);
  const status = readStatus(root);
  if (stat === undefined || status === undefined)
    throw refused({ pid: root, comm: "?" }, "no such process", "name a process that is running");
  const refuse = (reason: string, remedy: string): never => {
    throw refused({ pid: root, comm: stat.comm }, reason, remedy);
  };
  if (status.tgid !== root) refuse(`it is a thread of process ${status.tgid}`, `name process ${status.tgid}`);
  if (stat.state === "Z" && stat.numThreads <= 1) refuse("it is a zombie", "name a process that is running");
  if ((stat.flags & PF_KTHREAD) !== 0) refuse("it is a kernel thread", "name a process of user space");
  refuseTraced(root, stat.comm, status);
}

/** Throws StasisError: we cannot stop ourselves. */
export function refuseEngine(root: Pid, engine: Pid): never {
  throw new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid: root, comm: readStat(root)?.comm ?? "?" },
    reason: `stasis itself (pid ${engine}) is inside its tree`,
    remedy: "ask a service that was started elsewhere",
  });
}

function isBelow(pid: Pid, root: Pid): boolean {
  if (pid === root) return true;
  const parent = readStat(pid)?.ppid ?? 0;
  return parent > 0 && isBelow(asPid(parent), root);
}

export function refuseTraced(pid: Pid, comm: string, { tracerPid }: Pick<TaskStatus, "tracerPid">): void {
  if (tracerPid === 0) return;
  throw refused({ pid, comm }, `process ${tracerPid} traces it`, "end the debugger or the other dump first");
}

/** A process on its way. */
interface Reached {
  readonly pid: Pid;
  readonly comm: string;
  /** Seized, and stopped when they are not pending any more. */
  readonly threads: Tracee[];
  stoppedBy?: number;
}

class Freezing {
  readonly #reached = new Map<Pid, Reached>();
  readonly #zombies = new Map<Pid, Zombie>();
  readonly #pending: { readonly task: Reached; readonly thread: Tracee }[] = [];
  #isMore = true;

  readonly seizing: Seizing;

  constructor(
    readonly root: Pid,
    readonly engine: Pid,
    deadline: number | undefined,
  ) {
    this.seizing = new Seizing(deadline, (pids) => this.#letRun(pids));
  }

  run(): FrozenTask[] {
    refuseRoot(this.root);
    if (isBelow(this.engine, this.root)) refuseEngine(this.root, this.engine);
    // A running task may still have made others when it was looked at: look again until nothing new turns up.
    while (this.#isMore) {
      this.#isMore = false;
      this.#reach(this.root);
      for (const { task, thread } of this.#pending.splice(0)) this.#settle(task, thread);
    }
    return this.#inOrder(this.root);
  }

  /** Lets go of everything, stopped or not. */
  release(): void {
    for (const { threads } of this.#reached.values()) for (const thread of threads) thread.detachIfAlive();
    this.seizing[Symbol.dispose]();
  }

  /** Seizes what is new under a process, itself included. */
  #reach(pid: Pid): void {
    const task = this.#reached.get(pid) ?? this.#discover(pid);
    if (task === undefined) return;
    for (const tid of listThreads(pid)) {
      if (task.threads.some((thread) => thread.tid === tid)) continue;
      const thread = this.seizing.seize({ pid, tid, comm: task.comm });
      if (thread === undefined) continue;
      task.threads.push(thread);
      this.#pending.push({ task, thread });
      this.#isMore = true;
    }
    if (task.threads.length === 0) this.#forget(task);
    for (const child of listChildren(pid)) this.#reach(child);
  }

  /** Undefined: it is gone, or a zombie, which is noted. */
  #discover(pid: Pid): Reached | undefined {
    if (pid === this.engine) refuseEngine(this.root, pid);
    const stat = readStat(pid);
    if (stat === undefined || this.#zombies.has(pid)) return undefined;
    const { comm } = stat;
    if (stat.state === "Z" && stat.numThreads <= 1) {
      this.#zombies.set(pid, { state: "zombie", pid, comm, stat });
      this.#isMore = true;
      return undefined;
    }
    const task: Reached = { pid, comm, threads: [] };
    this.#reached.set(pid, task);
    return task;
  }

  /** Lets processes go again, to be reached anew. */
  #letRun(pids: readonly Pid[]): void {
    for (const pid of pids) {
      const { threads = [] } = this.#reached.get(pid) ?? {};
      for (const thread of threads) this.seizing.settle(thread)?.thread.detachIfAlive();
      this.#reached.delete(pid);
      this.#isMore = true;
    }
  }

  #settle(task: Reached, thread: Tracee): void {
    if (this.#reached.get(task.pid) !== task) return;
    const stop = this.seizing.settle(thread);
    // Another tracer's, perhaps: see there.
    task.threads.splice(task.threads.indexOf(thread), 1, ...(stop === undefined ? [] : [stop.thread]));
    if (stop !== undefined && stop.signal !== SIGTRAP) task.stoppedBy = stop.signal;
    if (task.threads.length === 0) this.#forget(task);
  }

  /** No thread of it was left to be stopped: it has become a zombie, which is to be found, or is gone. */
  #forget({ pid }: Reached): void {
    this.#reached.delete(pid);
    this.#isMore = true;
  }

  #inOrder(pid: Pid): FrozenTask[] {
    const task = this.#zombies.get(pid) ?? this.#frozen(pid);
    if (task === undefined) return [];
    if (task.state === "zombie") return [task];
    return [task, ...listChildren(pid).flatMap((child) => this.#inOrder(child))];
  }

  #frozen(pid: Pid): FrozenProcess | undefined {
    const { comm, threads = [], stoppedBy } = this.#reached.get(pid) ?? {};
    threads.sort((one, other) => Number(other.isLeader) - Number(one.isLeader));
    const living = threads[0]?.tid;
    const stat = living && statOf(pid, living);
    if (living === undefined || stat === undefined || comm === undefined) return undefined;
    return { state: "alive", pid, comm, threads, living, stat, ...(stoppedBy === undefined ? {} : { stoppedBy }) };
  }
}

/** As the kernel shows it by a thread that lives: of a leader that has ended it shows no memory any more, but how it ended. */
function statOf(pid: Pid, living: Pid): TaskStat | undefined {
  const leader = readStat(pid);
  if (living === pid) return leader;
  const stat = readStat(living);
  if (leader === undefined || stat === undefined) return undefined;
  return { ...stat, pid, comm: leader.comm, exitCode: leader.exitCode };
}
