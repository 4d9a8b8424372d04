// A call with a relative time-out that a thread sleeps in: nanosleep(2), poll(2), futex(2). The image has it made again, as CRIU's has; what was
// left of its time stands in a field of ours of core-TID.img. On a restore the thread makes the call with that, and we interrupt it: the kernel
// then knows the end of it, and the program goes on by restart_syscall(2), as after any stop.
import { isFieldSet } from "@bufbuild/protobuf";
import { type CoreEntry, ThreadCoreEntrySchema } from "../../images/format/entries.js";
import { RESTART_SYSCALL, RESTARTED } from "../../kernel/abi/restart.js";
import { ERESTART_RESTARTBLOCK } from "../../kernel/errno.js";
import { callTimeLeft, restartedCall, timespecOf, withTime } from "../../tracee/timed-call.js";
import type { Registers } from "../../tracee/tracee.js";
import type { DumpedThread, RestoredThread, TaskPart } from "../kind.js";

const SYSCALL_BYTES = 2n;
const INTERRUPTED = BigInt.asUintN(64, BigInt(-ERESTART_RESTARTBLOCK));
const numbers: ReadonlySet<bigint> = new Set(Object.values(RESTARTED).map(BigInt));

export const timedCall: TaskPart = {
  name: "time left of a system call",
  of: "thread",
  stage: "last",
  limits: [
    "that of epoll_wait(2), io_getevents(2) and sigtimedwait(2), and in a thread that was stopped, is the whole again",
    "so is what a dump before took of a call that it left going on, and what a hypervisor took of the processor while the thread slept",
  ],

  collect({ tracee: { timedCall: call }, registers, process }, core) {
    if (core.threadCore === undefined || call === undefined || !goesOn(registers, call.number)) return;
    core.threadCore.callTimeLeft = callTimeLeft(call, argumentsIn(registers), process.memory);
  },

  // The very last: see `prepareCall`.
  apply() {},
};

/** What restart_syscall(2) goes on with in a thread that was stopped meanwhile. */
export function findCall({ tracee, registers, inside }: DumpedThread): void {
  if (tracee.timedCall === undefined && goesOn(registers, RESTART_SYSCALL))
    tracee.timedCall = restartedCall(inside, argumentsIn(registers));
}

/** The registers as if the call had not been interrupted before: restart_syscall(2) means nothing to another task. */
export function asCalled(registers: Registers, number: number | undefined): Registers {
  return number !== undefined && goesOn(registers, number) ? { ...registers, orig_ax: BigInt(number) } : registers;
}

const goesOn = ({ ax, orig_ax }: Registers, number: number) =>
  ax === INTERRUPTED && (orig_ax === BigInt(number) || orig_ax === BigInt(RESTART_SYSCALL));

/** Has the thread make the call that it sleeps in. Result: the registers with which it goes on with that; undefined: those of the image do. */
export function prepareCall({ inside, tracee }: RestoredThread, core: CoreEntry): Partial<Registers> | undefined {
  const registers = core.threadInfo?.gpregs;
  const { threadCore } = core;
  if (registers === undefined || threadCore === undefined) return undefined;
  if (!isFieldSet(threadCore, ThreadCoreEntrySchema.field.callTimeLeft)) return undefined;
  const { origAx, ax, ip } = registers;
  if (ax !== origAx || !numbers.has(origAx)) return undefined;
  using time = inside.holding(timespecOf(threadCore.callTimeLeft));
  const words = withTime(Number(origAx), argumentsIn(registers), threadCore.callTimeLeft, time.at);
  inside.interruptedCall(Number(origAx), words);
  return tracee.registers().ax === INTERRUPTED
    ? { ax: INTERRUPTED, orig_ax: origAx, ip: ip + SYSCALL_BYTES }
    : undefined;
}

type Arguments = Pick<Registers, "di" | "si" | "dx" | "r10" | "r8" | "r9">;
const argumentsIn = ({ di, si, dx, r10, r8, r9 }: Arguments): bigint[] => [di, si, dx, r10, r8, r9];
