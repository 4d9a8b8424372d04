// New tasks of a restore: clone3(2) with set_tid, made inside the parent, so that ids and parentage are what they were.
import { clone_args } from "../kernel/abi/process.js";
import { PTRACE_EVENT_CLONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK } from "../kernel/abi/ptrace.js";
import { asPid } from "../kernel/brand.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { errno, SyscallError } from "../kernel/errno.js";
import { syscalls } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Inside } from "./inside.js";
import { TargetMemory } from "./memory.js";
import { Tracee } from "./tracee.js";

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
  using tids = parent.holding(new Uint8Array(new Int32Array([birth.tid]).buffer));
  using args = parent.holding(
    clone_args.encode({
      flags: birth.flags,
      pidfd: 0n,
      child_tid: 0n,
      parent_tid: 0n,
      exit_signal: BigInt(birth.exitSignal),
      stack: 0n,
      stack_size: 0n,
      tls: 0n,
      set_tid: birth.tid === 0 ? 0n : tids.at,
      set_tid_size: birth.tid === 0 ? 0n : 1n,
      cgroup: 0n,
    }),
  );
  parent.aimClone(syscalls.clone3.number, [args.at, BigInt(clone_args.sizeBytes)]);
  const tracee = newChild(parent.tracee, birth);
  tracee.blockSignals();
  const memory = birth.as === "thread" ? parent.memory : new TargetMemory(tracee.tid);
  return new Inside(tracee, memory, parent.ground, tracee.registers());
}

/**
 * Steps a thread that is aimed at a clone through it. The child is stopped before its first instruction; the calling thread
 * must have been told to trace its children. Throws SyscallError when the kernel refused.
 */
export function newChild(tracee: Tracee, birth?: Birth): Tracee {
  const entry = tracee.stepSyscall();
  if (entry.kind !== "syscall") throw tracee.lost("clone", entry);
  const born = tracee.stepSyscall();
  if (born.kind === "syscall") throw notBorn(tracee, birth);
  if (born.kind !== "event" || !cloneEvents.includes(born.event)) throw tracee.lost("clone", born);
  const message = new Uint8Array(8);
  tracee.tracer.sys.ptraceGetEventMessage(tracee.tid, 0n, message);
  const exit = tracee.stepSyscall();
  if (exit.kind !== "syscall") throw tracee.lost("clone", exit);
  const tid = asPid(Number(new DataView(message.buffer).getBigUint64(0, true)));
  const child = new Tracee(
    birth?.as === "thread" ? tracee.pid : tid,
    tid,
    birth?.comm ?? tracee.comm,
    tracee.options,
    tracee.tracer,
  );
  const stop = tracee.tracer.wait(tid);
  if (stop.kind !== "stop") throw child.lost("start", stop);
  return child;
}

function notBorn(tracee: Tracee, birth: Birth | undefined): Error {
  const raw = BigInt.asIntN(64, tracee.registers().ax);
  if (!isFailure(raw)) return new RangeError(`clone returned ${raw} and no event`);
  const error = new SyscallError(
    "clone",
    -Number(raw),
    birth === undefined ? [] : [`set_tid ${birth.tid}`],
    tracee.tid,
  );
  if (error.number !== errno.EEXIST || birth === undefined) return error;
  return new StasisError({
    code: "PID_BUSY",
    doing: "restore",
    subject: { kind: "process", pid: asPid(birth.tid), comm: birth.comm },
    reason: "its pid is taken by a living process, a zombie, a session or a process group",
    remedy: "end that process, or wait until its parent has reaped it",
    cause: error,
  });
}
