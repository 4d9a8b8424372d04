// seccomp(2): strict mode and filters are refused by name until they can be carried over.
import { SeccompMode } from "../../images/format/entries.js";
import { StasisError } from "../../report/error.js";
import type { TaskPart } from "../kind.js";

export const seccomp: TaskPart = {
  name: "seccomp",
  of: "thread",
  stage: "last",

  collect({ process: { pid, comm }, status }, core) {
    if (core.threadCore !== undefined) core.threadCore.seccompMode = SeccompMode.disabled;
    if (status.seccomp === 0) return;
    throw new StasisError({
      code: "TASK_UNSUPPORTED",
      doing: "dump",
      subject: { kind: "process", pid, comm },
      reason: `it runs under seccomp (${status.seccomp === 1 ? "strict mode" : `${status.seccompFilters} filters`}), which is not supported yet`,
      remedy: "run it without seccomp",
    });
  },

  apply() {
    // Nothing that is refused on the dump comes here.
  },
};
