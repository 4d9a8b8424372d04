// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF: getitimer(2). They count on while a task is stopped only if real.
import { create } from "@bufbuild/protobuf";
import { type ItimerEntry, ItimerEntrySchema, TaskTimersEntrySchema } from "../../images/format/entries.js";
import { itimerval } from "../../kernel/abi/time.js";
import { NULL } from "../../kernel/brand.js";
import type { ShapeOf } from "../../kernel/declare/struct.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { RestoredThread, TaskPart } from "../kind.js";

const ITIMER_REAL = 0;
const ITIMER_VIRTUAL = 1;
const ITIMER_PROF = 2;

const questions = {
  real: asksFor(itimerval, (at) => remote.getitimer(ITIMER_REAL, at)),
  virt: asksFor(itimerval, (at) => remote.getitimer(ITIMER_VIRTUAL, at)),
  prof: asksFor(itimerval, (at) => remote.getitimer(ITIMER_PROF, at)),
};

export const intervalTimers: TaskPart = {
  name: "interval timers",
  of: "process",
  stage: "last",
  asks: Object.values(questions),

  collect({ answers }, core) {
    if (core.tc === undefined) return;
    core.tc.timers ??= create(TaskTimersEntrySchema);
    core.tc.timers.real = entryOf(answers.of(questions.real));
    core.tc.timers.virt = entryOf(answers.of(questions.virt));
    core.tc.timers.prof = entryOf(answers.of(questions.prof));
  },

  apply(thread, core) {
    const timers = core.tc?.timers;
    if (timers?.real) write(thread, ITIMER_REAL, timers.real);
    if (timers?.virt) write(thread, ITIMER_VIRTUAL, timers.virt);
    if (timers?.prof) write(thread, ITIMER_PROF, timers.prof);
  },
};

function entryOf(value: ShapeOf<typeof itimerval>): ItimerEntry {
  return create(ItimerEntrySchema, {
    isec: value.intervalSec,
    iusec: value.intervalUsec,
    vsec: value.valueSec,
    vusec: value.valueUsec,
  });
}

/**
 * A real timer that has expired is set again only when its SIGALRM is taken (kernel/signal.c, dequeue_signal()): until then it shows
 * an interval and no time left. The pending signal is restored by itself, so the timer starts with its next interval.
 */
function write({ inside }: RestoredThread, which: number, { isec, iusec, vsec, vusec }: ItimerEntry): void {
  const isSet = vsec !== 0n || vusec !== 0n;
  const next = isSet ? { valueSec: vsec, valueUsec: vusec } : { valueSec: isec, valueUsec: iusec };
  if (next.valueSec === 0n && next.valueUsec === 0n) return;
  const timer = itimerval.encode({ intervalSec: isec, intervalUsec: iusec, ...next });
  inside.laterWith(timer, (at) => remote.setitimer(which, at, NULL));
}
