// That a thread takes part in block I/O, and must not wait for it when it asks for memory: prctl(2) PR_SET_IO_FLUSHER. In a field of ours of core-TID.img.
// To ask for it takes CAP_SYS_RESOURCE, as to set it does; the flags of the task show it (include/linux/sched.h).
import { PR } from "../../kernel/abi/prctl.js";
import { asPid } from "../../kernel/brand.js";
import { readThreadStat } from "../../kernel/proc/stat.js";
import { readStatus } from "../../kernel/proc/status.js";
import { StasisError } from "../../report/error.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

const CAP_SYS_RESOURCE = 1n << 24n;
const PF_MEMALLOC_NOIO = 0x00080000;
const PF_LOCAL_THROTTLE = 0x00100000;
const IO_FLUSHER = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;

export const ioFlusher: TaskPart = {
  name: "part in block I/O",
  of: "thread",
  stage: "after-memory",

  collect({ process, tracee }, core) {
    const flags = readThreadStat(process.pid, tracee.tid)?.flags ?? 0;
    if (core.threadCore !== undefined && (flags & IO_FLUSHER) === IO_FLUSHER) core.threadCore.ioFlusher = true;
  },

  /** Who may not say it cannot have a task of theirs say it. */
  validate({ threadCore, tc }) {
    if (threadCore?.ioFlusher !== true) return;
    const held = readStatus(asPid(process.pid))?.capEff ?? 0n;
    if ((held & CAP_SYS_RESOURCE) !== 0n) return;
    throw new StasisError({
      code: "CREDENTIALS_MISSING",
      doing: "restore",
      subject: { kind: "host", what: `a thread of ${tc?.comm ?? threadCore.comm}` },
      reason: "it takes part in block I/O (PR_SET_IO_FLUSHER), which takes CAP_SYS_RESOURCE to say",
      remedy: "run stasis with that capability",
    });
  },

  apply({ inside }, core) {
    if (core.threadCore?.ioFlusher === true) inside.later(remote.prctl(PR.PR_SET_IO_FLUSHER, 1n, 0n, 0n, 0n));
  },
};
