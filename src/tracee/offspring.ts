// New tasks of a restore: clone3(2) with set_tid, made inside the parent, so that ids and parentage are what they were.
import { clone_args } from "../kernel/abi/process.js";
import { PTRACE_EVENT_CLONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK } from "../kernel/abi/ptrace.js";
import { asAddress, asPid, type Pid } from "../kernel/brand.js";
import { CallList } from "../kernel/call-list.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { errno, SyscallError } from "../kernel/errno.js";
import { StasisError } from "../report/error.js";
import { Inside } from "./inside.js";
import { awaitTrap } from "./loaded-program.js";
import { TargetMemory } from "./memory.js";
import { remote } from "./program.js";
import { Tracee } from "./tracee.js";
import { waitForAll } from "./wait.js";

const cloneEvents: readonly number[] = [PTRACE_EVENT_CLONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK];

export interface Birth {
  /** The id that the new task must get; 0: any. */
  readonly tid: number;
  readonly comm: string;
  /** Of clone3. */
  readonly flags: bigint;
  /** Sent to the parent when the task ends; 0 for threads. */
  readonly exitSignal: number;
  /** A thread of this process, or a process of its own. */
  readonly as: "thread" | "process";
}

/** Makes a task; it is traced, stopped in the stub with all signals blocked. Throws PID_BUSY when its id is taken. */
export function cloneTask(parent: Inside, birth: Birth): Inside {
  const born: Inside[] = [];
  cloneTasks(parent, [birth], (_, inside) => born.push(inside));
  const [task] = born;
  if (task === undefined) throw new RangeError(`nothing was born with the id ${birth.tid}`);
  return task;
}

/** As cloneTask, one after the other in one run of the parent. `born` is called for each that is there, also when another one fails. */
export function cloneTasks<B extends Birth>(
  parent: Inside,
  births: readonly B[],
  born: (birth: B, inside: Inside) => void,
): void {
  for (let from = 0; from < births.length; from += AT_ONCE) {
    const part = births.slice(from, from + AT_ONCE);
    let { tids, failure } = runClones(parent, part);
    for (const [index, stop] of waitForAll(tids).entries()) {
      const [birth, tid] = [part[index], tids[index]];
      if (birth === undefined || tid === undefined) continue;
      const tracee = newTracee(parent, birth, tid);
      if (stop.kind === "stop") born(birth, insideOf(parent, birth, tracee));
      else failure ??= tracee.lost("start", stop);
    }
    if (failure !== undefined) throw failure;
  }
}
/** What is held of each is scratch memory of the parent. */
const AT_ONCE = 128;
/** struct clone_args, and the id behind it. */
const ARGS_BYTES = clone_args.sizeBytes + 8;

/** Has the parent make the calls; it stops at each child, and at the end. Result: the ids of those that were born, and why there are no more. */
function runClones(
  parent: Inside,
  births: readonly Birth[],
): { readonly tids: readonly Pid[]; readonly failure?: Error } {
  using room = parent.room(births.length * ARGS_BYTES);
  parent.memory.write(room.at, argumentsOf(births, room.at));
  const calls = births.map((_, index) =>
    remote.clone3(asAddress(room.at + BigInt(index * ARGS_BYTES)), clone_args.sizeBytes),
  );
  parent.flush();
  using program = parent.load(CallList.of(calls), { keepGoing: false });
  const { tracee } = parent;
  const tids: Pid[] = [];
  const resume = () => tracee.continue();
  resume();
  let event = tracee.waitPastStopSignals(resume);
  // A stop: SIGCONT came for the process, see awaitTrap.
  for (; event.kind === "event" || event.kind === "stop"; event = tracee.waitPastStopSignals(resume)) {
    if (event.kind === "event") tids.push(bornOf(tracee));
    resume();
  }
  awaitTrap(tracee, event);
  const failed = births[tids.length];
  const raw = program.results()[tids.length];
  return failed === undefined || raw === undefined ? { tids } : { tids, failure: notBorn(tracee, raw, failed) };
}

function argumentsOf(births: readonly Birth[], at: bigint): Uint8Array {
  const bytes = new Uint8Array(births.length * ARGS_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { tid, flags, exitSignal }] of births.entries()) {
    const start = index * ARGS_BYTES;
    const wanted =
      tid === 0
        ? { set_tid: 0n, set_tid_size: 0n }
        : { set_tid: at + BigInt(start + clone_args.sizeBytes), set_tid_size: 1n };
    const unused = { pidfd: 0n, child_tid: 0n, parent_tid: 0n, stack: 0n, stack_size: 0n, tls: 0n, cgroup: 0n };
    clone_args.write(view, start, { ...unused, flags, exit_signal: BigInt(exitSignal), ...wanted });
    view.setInt32(start + clone_args.sizeBytes, tid, true);
  }
  return bytes;
}

function newTracee({ tracee: { pid, options, tracer } }: Inside, { as, comm }: Birth, tid: Pid): Tracee {
  return new Tracee(as === "thread" ? pid : tid, tid, comm, options, tracer);
}

/** It is stopped before its first instruction. */
function insideOf(parent: Inside, { as }: Birth, tracee: Tracee): Inside {
  tracee.blockSignals();
  const memory = as === "thread" ? parent.memory : new TargetMemory(tracee.tid);
  return new Inside(tracee, memory, parent.ground, tracee.registers());
}

/** The id of the task whose birth a thread has reported. */
function bornOf(tracee: Tracee): Pid {
  const message = new Uint8Array(8);
  tracee.tracer.sys.ptraceGetEventMessage(tracee.tid, 0n, message);
  return asPid(Number(new DataView(message.buffer).getBigUint64(0, true)));
}

/**
 * Steps a thread that is aimed at a clone through it. The child is stopped before its first instruction; the calling thread
 * must have been told to trace its children. Throws SyscallError when the kernel refused.
 */
export function newChild(tracee: Tracee): Tracee {
  const entry = tracee.stepSyscall();
  if (entry.kind !== "syscall") throw tracee.lost("clone", entry);
  const born = tracee.stepSyscall();
  if (born.kind === "syscall") throw notBorn(tracee, tracee.registers().ax);
  if (born.kind !== "event" || !cloneEvents.includes(born.event)) throw tracee.lost("clone", born);
  const tid = bornOf(tracee);
  const exit = tracee.stepSyscall();
  if (exit.kind !== "syscall") throw tracee.lost("clone", exit);
  const child = new Tracee(tid, tid, tracee.comm, tracee.options, tracee.tracer);
  const stop = tracee.tracer.wait(tid);
  if (stop.kind !== "stop") throw child.lost("start", stop);
  return child;
}

function notBorn(tracee: Tracee, result: bigint, birth?: Birth): Error {
  const raw = BigInt.asIntN(64, result);
  if (!isFailure(raw)) return new RangeError(`clone returned ${raw} and no event`);
  const wanted = birth === undefined ? [] : [`set_tid ${birth.tid}`];
  const error = new SyscallError("clone", -Number(raw), wanted, tracee.tid);
  if (error.number !== errno.EEXIST || birth === undefined) return error;
  return pidBusy(asPid(birth.tid), birth.comm, error);
}

/** clone3(2) said EEXIST to a wanted pid. */
export function pidBusy(pid: Pid, comm: string, cause?: unknown): StasisError {
  return new StasisError({
    code: "PID_BUSY",
    doing: "restore",
    subject: { kind: "process", pid, comm },
    reason: "its pid is taken by a living process, a zombie, a session or a process group",
    remedy: "end that process, or wait until its parent has reaped it",
    cause,
  });
}
