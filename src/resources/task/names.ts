// The name of a thread: prctl(2) PR_SET_NAME. /proc/PID/task/TID/comm can be written by the process itself only.
import { PR } from "../../kernel/abi/prctl.js";
import { readThreadStat } from "../../kernel/proc/stat.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

export const names: TaskPart = {
  name: "thread name",
  of: "thread",
  stage: "after-memory",
  outlives: true,

  collect({ process, tracee, isLeader }, core) {
    const comm = isLeader ? process.comm : readThreadStat(process.pid, tracee.tid)?.comm;
    if (core.threadCore !== undefined && comm !== undefined) core.threadCore.comm = comm;
  },

  apply({ inside }, core) {
    const comm = core.threadCore?.comm || core.tc?.comm;
    if (comm === undefined) return;
    inside.laterWith(Buffer.from(`${comm}\0`), (at) => remote.prctlAt(PR.PR_SET_NAME, at, 0n, 0n, 0n));
  },
};
