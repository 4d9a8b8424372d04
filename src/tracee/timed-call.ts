// A thread that sleeps in a call with a relative time-out. How much is left of it the kernel keeps for itself (struct restart_block); but a
// thread that sleeps last ran when the call began. Seen before the thread is stopped, which makes it run.
import { FUTEX_FLAGS, FUTEX_WAIT, RESTART_SYSCALL, RESTARTED, TIMER_ABSTIME } from "../kernel/abi/restart.js";
import { timespec } from "../kernel/abi/time.js";
import { type Address, asAddress, type Pid } from "../kernel/brand.js";
import { readLastRun, readSyscall, readWchan, type SyscallAsShown } from "../kernel/proc/sleep.js";
import { readThreadStat } from "../kernel/proc/stat.js";
import { readRunClock } from "../kernel/run-clock.js";
import { sys } from "../kernel/syscalls.js";
import type { Inside } from "./inside.js";
import type { TargetMemory } from "./memory.js";

/** What a thread was in when it was found. */
export interface TimedCall {
  /** As it was called: not restart_syscall(2). */
  readonly number: number;
  readonly sleptNs: bigint;
}

const SECOND_NS = 1_000_000_000n;
const MILLISECOND_NS = 1_000_000n;
/** Numbers of clocks are below, addresses above. */
const LOWEST_ADDRESS = 4096n;

/** Undefined: it sleeps in no such call. */
export function timedCallOf(pid: Pid, tid: Pid): TimedCall | undefined {
  const call = readSyscall(pid, tid);
  const number = call && numberOf(call, pid, tid);
  if (call === undefined || number === undefined) return undefined;
  const stat = readThreadStat(pid, tid);
  if (stat?.state !== "S") return undefined;
  const [since, now] = [readLastRun(pid, tid), readRunClock(stat.processor)];
  if (since === undefined || now === undefined) return undefined;
  return { number, sleptNs: now > since ? now - since : 0n };
}

/** How often it is looked whether a thread sleeps yet. */
const LOOKS = 1000;

/** Of a thread that was stopped while it went on with such a call: it goes on once more, to be seen there. How long it slept is not known. */
export function restartedCall(inside: Inside, args: readonly bigint[]): TimedCall | undefined {
  const { pid, tid } = inside.tracee;
  let wchan = "0";
  inside.interruptedCall(RESTART_SYSCALL, [], () => {
    for (let looks = 0; looks < LOOKS && readThreadStat(pid, tid)?.state !== "S"; looks++) sys.sched_yield();
    wchan = readWchan(pid, tid);
  });
  const number = restartedNumber(args, wchan);
  return number === undefined ? undefined : { number, sleptNs: 0n };
}

function numberOf({ number, args }: SyscallAsShown, pid: Pid, tid: Pid): number | undefined {
  if (number === RESTART_SYSCALL) return restartedNumber(args, readWchan(pid, tid));
  const [, second = 0n, third = 0n, fourth = 0n] = args;
  switch (number) {
    case RESTARTED.nanosleep:
      return number;
    case RESTARTED.clock_nanosleep:
      return (second & TIMER_ABSTIME) === 0n ? number : undefined;
    case RESTARTED.poll:
      return Number(BigInt.asIntN(32, third)) > 0 ? number : undefined;
    case RESTARTED.futex:
      return (second & ~FUTEX_FLAGS) === FUTEX_WAIT && fourth !== 0n ? number : undefined;
    default:
      return undefined;
  }
}

/** Its arguments are still those of the call that goes on; which one that was, only the place tells where it sleeps. */
function restartedNumber([first = 0n]: readonly bigint[], wchan: string): number | undefined {
  if (wchan.includes("poll")) return RESTARTED.poll;
  if (wchan.includes("futex")) return RESTARTED.futex;
  if (wchan === "0" || wchan === "do_signal_stop") return undefined;
  return first < LOWEST_ADDRESS ? RESTARTED.clock_nanosleep : RESTARTED.nanosleep;
}

/** What is left of its time, in nanoseconds; `args`: those of the call. */
export function callTimeLeft({ number, sleptNs }: TimedCall, args: readonly bigint[], memory: TargetMemory): bigint {
  const [first = 0n, second = 0n, third = 0n, fourth = 0n] = args;
  const read = (at: bigint) => nanoseconds(memory, asAddress(at));
  // nanosleep(2) has written the rest where it was asked to, for it was interrupted.
  if (number === RESTARTED.nanosleep && second !== 0n) return read(second);
  if (number === RESTARTED.clock_nanosleep && fourth !== 0n) return read(fourth);
  const whole =
    number === RESTARTED.poll
      ? BigInt.asIntN(32, third) * MILLISECOND_NS
      : read(number === RESTARTED.nanosleep ? first : number === RESTARTED.clock_nanosleep ? third : fourth);
  return whole > sleptNs ? whole - sleptNs : 0n;
}

function nanoseconds(memory: TargetMemory, at: Address): bigint {
  const { tv_sec, tv_nsec } = timespec.decode(memory.read(at, timespec.sizeBytes));
  return tv_sec * SECOND_NS + tv_nsec;
}

/** The arguments with another time: `at` is where a timespec of it stands. */
export function withTime(number: number, args: readonly bigint[], leftNs: bigint, at: Address): bigint[] {
  const [first = 0n, second = 0n, third = 0n, fourth = 0n, fifth = 0n, sixth = 0n] = args;
  switch (number) {
    case RESTARTED.nanosleep:
      return [at, second];
    case RESTARTED.clock_nanosleep:
      return [first, second, at, fourth];
    case RESTARTED.poll:
      return [first, second, (leftNs + MILLISECOND_NS - 1n) / MILLISECOND_NS];
    default:
      return [first, second, third, at, fifth, sixth];
  }
}

export const timespecOf = (ns: bigint): Uint8Array =>
  timespec.encode({ tv_sec: ns / SECOND_NS, tv_nsec: ns % SECOND_NS });
