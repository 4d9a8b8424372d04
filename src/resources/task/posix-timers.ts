// POSIX timers: timer_create(2), proc_pid_timers(5). They keep their ids.
import { create } from "@bufbuild/protobuf";
import { type PosixTimerEntry, PosixTimerEntrySchema, TaskTimersEntrySchema } from "../../images/format/entries.js";
import { PR } from "../../kernel/abi/prctl.js";
import { itimerspec, sigevent } from "../../kernel/abi/time.js";
import { NULL } from "../../kernel/brand.js";
import { i32, struct } from "../../kernel/declare/struct.js";
import { unless } from "../../kernel/errno.js";
import { type PosixTimer, readTimers } from "../../kernel/proc/timers.js";
import type { DumpedThread, RestoredThread, TaskPart } from "../kind.js";
import { CpuTimers } from "./cpu-timers.js";

const SIGEV = { signal: 0, none: 1, thread: 2 } as const;
const SIGEV_THREAD_ID = 4;
const timerId = struct("timer_t", 4, { value: [0, i32] });

export const posixTimers: TaskPart = {
  name: "POSIX timers",
  of: "process",
  stage: "last",
  limits: [
    "a timer whose signal was pending counts its overruns from the restore on: the kernel tells them on delivery only",
    "timer_getoverrun(2) has nothing to tell until the next signal",
    "a timer that is set for a date goes on with the time that was left, as in CRIU",
  ],

  collect(thread, core, context) {
    if (core.tc === undefined) return;
    core.tc.timers ??= create(TaskTimersEntrySchema);
    core.tc.timers.posix = (readTimers(thread.process.pid) ?? []).map((timer) => collectTimer(thread, timer));
    context.once(CpuTimers).add(thread.process.pid, core.tc.timers.posix);
  },

  apply(thread, core) {
    const timers = core.tc?.timers?.posix ?? [];
    if (timers.length === 0) return;
    const chosen = chooseIds(thread, true);
    for (const timer of timers) {
      if (!chosen) skipTo(thread, timer.itId);
      createTimer(makerOf(thread, timer), timer);
      arm(thread, timer);
    }
    if (chosen) chooseIds(thread, false);
  },
};

function collectTimer({ inside }: DumpedThread, timer: PosixTimer): PosixTimerEntry {
  const left = inside.filled(itimerspec, (at) => inside.sys.timer_gettime(timer.id, at));
  const entry = create(PosixTimerEntrySchema, {
    itId: timer.id,
    clockId: timer.clockId >>> 0,
    siSigno: timer.signal,
    itSigevNotify: SIGEV[timer.notify] | (timer.target.of === "thread" ? SIGEV_THREAD_ID : 0),
    sivalPtr: timer.value,
    overrun: inside.sys.timer_getoverrun(timer.id),
    isec: left.intervalSec,
    insec: left.intervalNsec,
    vsec: left.valueSec,
    vnsec: left.valueNsec,
  });
  if (timer.target.of === "thread") entry.notifyThreadId = timer.target.pid;
  return entry;
}

/** Kernel 6.15: a process may say that it names the ids itself. False: older kernels count. */
function chooseIds({ inside }: RestoredThread, on: boolean): boolean {
  inside.flush();
  return (
    unless("EINVAL", () => inside.sys.prctl(PR.PR_TIMER_CREATE_RESTORE_IDS, on ? 1n : 0n, 0n, 0n, 0n)) !== undefined
  );
}

/** On older kernels each timer gets the next id: unwanted ones are made and deleted. */
function skipTo({ inside }: RestoredThread, id: number): void {
  using event = inside.holding(sigevent.encode({ sigev_value: 0n, sigev_signo: 0, sigev_notify: SIGEV.none, tid: 0 }));
  for (;;) {
    const { value } = inside.filled(timerId, (at) => inside.sys.timer_create(1, event.at, at));
    inside.sys.timer_delete(value);
    if (value >= id - 1) return;
  }
}

/** The time of a thread is counted by a timer that it made itself. */
function makerOf(thread: RestoredThread, { cpuThreadId }: PosixTimerEntry): RestoredThread {
  return thread.process.threads.find(({ tracee }) => tracee.tid === cpuThreadId) ?? thread;
}

function createTimer({ inside }: RestoredThread, timer: PosixTimerEntry): void {
  const { sivalPtr, siSigno, itSigevNotify, notifyThreadId } = timer;
  using event = inside.holding(
    sigevent.encode({ sigev_value: sivalPtr, sigev_signo: siSigno, sigev_notify: itSigevNotify, tid: notifyThreadId }),
  );
  using id = inside.holding(timerId.encode({ value: timer.itId }));
  inside.sys.timer_create(timer.clockId | 0, event.at, id.at);
  const { value } = timerId.decode(inside.memory.read(id.at, timerId.sizeBytes));
  if (value !== timer.itId) throw new RangeError(`the kernel gave timer ${timer.itId} the id ${value}`);
}

function arm({ inside }: RestoredThread, { itId, isec, insec, vsec, vnsec }: PosixTimerEntry): void {
  if (vsec === 0n && vnsec === 0n) return;
  using room = inside.holding(
    itimerspec.encode({ intervalSec: isec, intervalNsec: insec, valueSec: vsec, valueNsec: vnsec }),
  );
  inside.sys.timer_settime(itId, 0, room.at, NULL);
}
