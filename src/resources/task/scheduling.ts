// Scheduling policy, priority and nice value of a thread: sched_getattr(2), sched(7).
import { sched_attr } from "../../kernel/abi/sched.js";
import { readThreadStat } from "../../kernel/proc/stat.js";
import { sys } from "../../kernel/syscalls.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { TaskPart } from "../kind.js";

const SCHED_OTHER = 0;
const SCHED_DEADLINE = 6;
/** How sched_setscheduler(2), and so the image, says what sched_setattr(2) has a flag for. */
const SCHED_RESET_ON_FORK = 0x40000000;
const SCHED_FLAG_RESET_ON_FORK = 1n;

export const scheduling: TaskPart = {
  name: "scheduling",
  of: "thread",
  stage: "after-memory",
  limits: [
    "CPU affinity and the parameters of SCHED_DEADLINE are not carried over: the image format has no place for them",
  ],

  collect({ process, tracee }, core) {
    if (core.threadCore === undefined) return;
    const bytes = new Uint8Array(sched_attr.sizeBytes);
    sys.sched_getattr(tracee.tid, bytes, bytes.byteLength, 0);
    const { sched_policy, sched_flags, sched_nice, sched_priority } = sched_attr.decode(bytes);
    const reset = (sched_flags & SCHED_FLAG_RESET_ON_FORK) !== 0n;
    core.threadCore.schedPolicy = sched_policy | (reset ? SCHED_RESET_ON_FORK : 0);
    // sched_getattr(2) hides it under the real-time policies.
    core.threadCore.schedNice = readThreadStat(process.pid, tracee.tid)?.nice ?? sched_nice;
    core.threadCore.schedPrio = sched_priority;
  },

  apply({ tracee }, core) {
    const { schedPolicy = SCHED_OTHER, schedNice = 0, schedPrio = 0 } = core.threadCore ?? {};
    const policy = schedPolicy & ~SCHED_RESET_ON_FORK;
    if (policy === SCHED_DEADLINE) return;
    // The nice value counts, and so is set, only under SCHED_OTHER and SCHED_BATCH; the others keep the one from before.
    setAttributes(tracee, { policy: SCHED_OTHER, nice: schedNice, priority: 0, resetOnFork: false });
    const resetOnFork = (schedPolicy & SCHED_RESET_ON_FORK) !== 0;
    setAttributes(tracee, { policy, nice: schedNice, priority: schedPrio, resetOnFork });
  },
};

interface Attributes {
  readonly policy: number;
  readonly nice: number;
  readonly priority: number;
  readonly resetOnFork: boolean;
}

function setAttributes({ tid }: Tracee, { policy, nice, priority, resetOnFork }: Attributes): void {
  const bytes = sched_attr.encode({
    size: sched_attr.sizeBytes,
    sched_policy: policy,
    sched_flags: resetOnFork ? SCHED_FLAG_RESET_ON_FORK : 0n,
    sched_nice: nice,
    sched_priority: priority,
    ...{ sched_runtime: 0n, sched_deadline: 0n, sched_period: 0n, sched_util_min: 0, sched_util_max: 0 },
  });
  sys.sched_setattr(tid, bytes, 0);
}
