// POSIX timers that count the processor time of "the calling thread": timer_create(2) with CLOCK_THREAD_CPUTIME_ID. Which thread that is the
// kernel does not tell; but while all of them stand still, such a timer runs only when its own thread makes a call.
import type { PosixTimerEntry } from "../../images/format/entries.js";
import { itimerspec } from "../../kernel/abi/time.js";
import { asAddress, type Pid } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

const CLOCK_THREAD_CPUTIME_ID = 3;
/** A clockid_t that names a processor clock, as the kernel keeps it: include/linux/posix-timers.h. */
const PER_THREAD = 4;
const isOfCaller = (clockId: number) => clockId < 0 && ~(clockId >> 3) === 0 && (clockId & PER_THREAD) !== 0;

/** Those of each process whose thread is not known yet. */
export class CpuTimers {
  readonly #timers = new Map<Pid, PosixTimerEntry[]>();

  add(pid: Pid, timers: readonly PosixTimerEntry[]): void {
    const unknown = timers.filter(({ clockId, vsec, vnsec }) => {
      const isArmed = vsec !== 0n || vnsec !== 0n;
      return isArmed && (clockId === CLOCK_THREAD_CPUTIME_ID || isOfCaller(clockId | 0));
    });
    if (unknown.length > 0) this.#timers.set(pid, unknown);
  }

  of(pid: Pid): readonly PosixTimerEntry[] {
    return this.#timers.get(pid) ?? [];
  }
}

export const cpuTimers: TaskPart = {
  name: "timers of its processor time",
  of: "thread",
  stage: "last",
  limits: ["one that was not armed counts the time of the first thread"],

  collect({ process, tracee, inside, isLeader }, _core, context) {
    if (isLeader) return;
    for (const timer of context.once(CpuTimers).of(process.pid))
      if (timer.cpuThreadId === 0 && runsBy(inside, timer)) timer.cpuThreadId = tracee.tid;
  },

  // By the process as a whole: posix-timers.ts.
  apply() {},
};

function runsBy(inside: Inside, { itId }: PosixTimerEntry): boolean {
  using room = inside.holding(new Uint8Array(2 * itimerspec.sizeBytes));
  const later = asAddress(room.at + BigInt(itimerspec.sizeBytes));
  inside.run([remote.timer_gettime(itId, room.at), remote.timer_gettime(itId, later)]);
  const bytes = inside.memory.read(room.at, room.sizeBytes);
  const [before, after] = [0, itimerspec.sizeBytes].map((at) => {
    const { valueSec, valueNsec } = itimerspec.decode(bytes.subarray(at, at + itimerspec.sizeBytes));
    return valueSec * 1_000_000_000n + valueNsec;
  });
  return before !== after;
}
