// Signals that were sent and not yet taken, with their siginfo: ptrace(2) PTRACE_PEEKSIGINFO, rt_sigqueueinfo(2).
import { create } from "@bufbuild/protobuf";
import {
  type CoreEntry,
  SiginfoEntrySchema,
  type SignalQueueEntry,
  SignalQueueEntrySchema,
} from "../../images/format/entries.js";
import { PIDFD_SIGNAL_THREAD_GROUP, PIDFD_THREAD } from "../../kernel/abi/process.js";
import { PTRACE_PEEKSIGINFO_SHARED } from "../../kernel/abi/ptrace.js";
import { SIG, SIGINFO_BYTES, siginfo } from "../../kernel/abi/signal.js";
import { isFailure } from "../../kernel/declare/syscall.js";
import { SyscallError } from "../../kernel/errno.js";
import { syscalls } from "../../kernel/syscalls.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { RestoredThread, TaskPart } from "../kind.js";

const AT_ONCE = 32;

export const pendingSignals: TaskPart = {
  name: "pending signals",
  of: "thread",
  stage: "last",

  collect({ tracee }, core) {
    if (core.threadCore !== undefined) core.threadCore.signalsP = queue(tracee, 0);
  },

  apply(thread, core) {
    const { inside, tracee } = thread;
    send(thread, core.threadCore?.signalsP, (signal, at) =>
      inside.sys.rt_tgsigqueueinfo(tracee.pid, tracee.tid, signal, at),
    );
  },
};

export const sharedPendingSignals: TaskPart = {
  name: "pending signals of the process as a whole",
  of: "process",
  stage: "last",
  limits: ["that it was continued is lost when its parent has not asked for that yet: wait(2), WCONTINUED"],

  collect({ tracee }, core) {
    if (core.tc !== undefined) core.tc.signalsS = queue(tracee, PTRACE_PEEKSIGINFO_SHARED);
  },

  apply(thread, core) {
    const { inside, tracee } = thread;
    const entry = core.tc?.signalsS;
    if (thread.isLeader) send(thread, entry, (signal, at) => inside.sys.rt_sigqueueinfo(tracee.pid, signal, at));
    else if ((entry?.signals.length ?? 0) > 0) sendByThread(thread, entry);
  },
};

function queue({ tracer, tid }: Tracee, flags: number): SignalQueueEntry {
  const found: Uint8Array[] = [];
  const room = new Uint8Array(AT_ONCE * SIGINFO_BYTES);
  for (;;) {
    const count = tracer.sys.ptracePeekSiginfo(tid, { off: BigInt(found.length), flags, nr: AT_ONCE }, room);
    for (let index = 0; index < count; index++)
      found.push(room.slice(index * SIGINFO_BYTES, (index + 1) * SIGINFO_BYTES));
    if (count < AT_ONCE) break;
  }
  return create(SignalQueueEntrySchema, {
    signals: found.map((bytes) => create(SiginfoEntrySchema, { siginfo: bytes })),
  });
}

/**
 * SIGTRAP comes last, when there are no more calls that end in a trap: such a trap would be taken for the pending signal, and takes it along. Of
 * one thread; `process`: its core, when the thread speaks for the process. All threads have it blocked.
 */
export function queueTraps(thread: RestoredThread, process: CoreEntry | undefined): void {
  const { inside, tracee } = thread;
  const pid = BigInt(tracee.pid);
  const signal = BigInt(SIG.SIGTRAP);
  for (const bytes of pendingIn(thread.core.threadCore?.signalsP, SIG.SIGTRAP)) {
    using room = inside.holding(bytes);
    mustWork(
      "rt_tgsigqueueinfo",
      inside.stepCall(syscalls.rt_tgsigqueueinfo.number, [pid, BigInt(tracee.tid), signal, room.at]),
    );
  }
  for (const bytes of pendingIn(process?.tc?.signalsS, SIG.SIGTRAP)) {
    using room = inside.holding(bytes);
    mustWork("rt_sigqueueinfo", inside.stepCall(syscalls.rt_sigqueueinfo.number, [pid, signal, room.at]));
  }
}

/** Whether the signal is pending for the thread, or for the process of which it is the first. */
export const isPending = (signal: number, { threadCore, tc }: CoreEntry): boolean =>
  [threadCore?.signalsP, tc?.signalsS].some((entry) => pendingIn(entry, signal).length > 0);

const pendingIn = (entry: SignalQueueEntry | undefined, signal: number): Uint8Array[] =>
  (entry?.signals ?? [])
    .map(({ siginfo: bytes }) => bytes)
    .filter((bytes) => siginfo.decode(bytes).si_signo === signal);

function mustWork(call: string, result: bigint): void {
  if (isFailure(result)) throw new SyscallError(call, -Number(result), ["SIGTRAP"]);
}

/** For the kernel a task is itself by its thread id: another thread than the leader has to name the process by its own descriptor. */
function sendByThread(thread: RestoredThread, entry: SignalQueueEntry | undefined): void {
  const { inside, tracee } = thread;
  const self = inside.sys.pidfd_open(tracee.tid, PIDFD_THREAD);
  send(thread, entry, (signal, at) => inside.sys.pidfd_send_signal(self, signal, at, PIDFD_SIGNAL_THREAD_GROUP));
  inside.sys.close(self);
}

/** Only a task itself may queue a siginfo that claims to come from the kernel: kernel/signal.c, do_rt_sigqueueinfo(). */
function send(
  { inside }: RestoredThread,
  entry: SignalQueueEntry | undefined,
  queueInfo: (signal: number, at: typeof inside.ground.stub) => void,
): void {
  for (const { siginfo: bytes } of entry?.signals ?? []) {
    const { si_signo } = siginfo.decode(bytes);
    if (si_signo === SIG.SIGTRAP) continue;
    using room = inside.holding(bytes);
    queueInfo(si_signo, room.at);
  }
}
