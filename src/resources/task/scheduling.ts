// Scheduling policy, priority and nice value of a thread: sched_getattr(2), sched(7).
import { create } from "@bufbuild/protobuf";
import { type DeadlineEntry, DeadlineEntrySchema } from "../../images/format/entries.js";
import { sched_attr } from "../../kernel/abi/sched.js";
import type { Pid } from "../../kernel/brand.js";
import { readThreadStat } from "../../kernel/proc/stat.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { TaskPart } from "../kind.js";
import { attributesOf, Newborn } from "./newborn.js";

const SCHED_OTHER = 0;
const SCHED_DEADLINE = 6;
/** How sched_setscheduler(2), and so the image, says what sched_setattr(2) has a flag for. */
const SCHED_RESET_ON_FORK = 0x40000000;
const SCHED_FLAG_RESET_ON_FORK = 1n;

export const scheduling: TaskPart = {
  name: "scheduling",
  of: "thread",
  stage: "after-memory",
  limits: ["a SCHED_DEADLINE thread whose images CRIU wrote is SCHED_OTHER: they have no parameters of that policy"],

  collect({ process, tracee }, core) {
    if (core.threadCore === undefined) return;
    const attributes = attributesOf(tracee.tid);
    const { sched_policy, sched_flags, sched_nice, sched_priority } = attributes;
    const reset = (sched_flags & SCHED_FLAG_RESET_ON_FORK) !== 0n;
    core.threadCore.schedPolicy = sched_policy | (reset ? SCHED_RESET_ON_FORK : 0);
    // sched_getattr(2) hides it under the real-time policies.
    core.threadCore.schedNice = readThreadStat(process.pid, tracee.tid)?.nice ?? sched_nice;
    core.threadCore.schedPrio = sched_priority;
    if (sched_policy === SCHED_DEADLINE)
      core.threadCore.deadline = create(DeadlineEntrySchema, {
        runtime: attributes.sched_runtime,
        deadline: attributes.sched_deadline,
        period: attributes.sched_period,
        flags: sched_flags & ~SCHED_FLAG_RESET_ON_FORK,
      });
  },

  apply(thread, core, { once }) {
    const { schedPolicy = SCHED_OTHER, schedNice = 0, schedPrio = 0, deadline } = core.threadCore ?? {};
    const { sched_policy, sched_flags, sched_nice } = once(Newborn).scheduling(thread);
    const isPlain = sched_policy === SCHED_OTHER && sched_flags === 0n;
    if (isPlain && schedPolicy === SCHED_OTHER && schedNice === sched_nice) return;
    const { tracee, process } = thread;
    const policy = schedPolicy & ~SCHED_RESET_ON_FORK;
    // The nice value counts, and so is set, only under SCHED_OTHER and SCHED_BATCH; the others keep the one from before.
    setAttributes(tracee, { policy: SCHED_OTHER, nice: schedNice, priority: 0, resetOnFork: false });
    if (policy === SCHED_DEADLINE && deadline === undefined) return;
    const resetOnFork = (schedPolicy & SCHED_RESET_ON_FORK) !== 0;
    const attributes = { policy, nice: schedNice, priority: schedPrio, resetOnFork };
    try {
      setAttributes(tracee, deadline === undefined ? attributes : { ...attributes, deadline });
    } catch (cause) {
      throw notScheduled(process, tracee, cause);
    }
  },
};

interface Attributes {
  readonly policy: number;
  readonly nice: number;
  readonly priority: number;
  readonly resetOnFork: boolean;
  readonly deadline?: DeadlineEntry;
}

function setAttributes({ tid }: Tracee, { policy, nice, priority, resetOnFork, deadline }: Attributes): void {
  const bytes = sched_attr.encode({
    size: sched_attr.sizeBytes,
    sched_policy: policy,
    sched_flags: (resetOnFork ? SCHED_FLAG_RESET_ON_FORK : 0n) | (deadline?.flags ?? 0n),
    sched_nice: nice,
    sched_priority: priority,
    sched_runtime: deadline?.runtime ?? 0n,
    sched_deadline: deadline?.deadline ?? 0n,
    sched_period: deadline?.period ?? 0n,
    ...{ sched_util_min: 0, sched_util_max: 0 },
  });
  sys.sched_setattr(tid, bytes, 0);
}

function notScheduled(
  { pid, comm }: { readonly pid: Pid; readonly comm: string },
  { tid }: Tracee,
  cause: unknown,
): Error {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: "restore",
    subject: { kind: "process", pid, comm },
    reason: `its thread ${tid} cannot have its scheduling policy back (${cause instanceof Error ? cause.message : cause})`,
    remedy: "leave processor time to SCHED_DEADLINE threads, or grant stasis CAP_SYS_NICE",
    cause,
  });
}
