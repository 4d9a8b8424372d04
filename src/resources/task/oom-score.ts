// How willing the kernel is to kill a process when memory runs out: proc_pid_oom_score_adj(5).
import { writeFileSync } from "node:fs";
import { readProc } from "../../kernel/proc/read.js";
import { StasisError } from "../../report/error.js";
import type { TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

export const oomScore: TaskPart = {
  name: "oom score adjustment",
  of: "process",
  stage: "after-memory",

  collect({ process }, core) {
    if (core.tc !== undefined) core.tc.oomScoreAdj = Number(readProc(process.pid, "oom_score_adj") ?? "0");
  },

  apply(thread, core, { once }) {
    const { pid, comm } = thread.process;
    const wanted = core.tc?.oomScoreAdj ?? 0;
    if (once(Newborn).oomScoreAdj(thread) === wanted) return;
    try {
      writeFileSync(`/proc/${pid}/oom_score_adj`, String(wanted));
    } catch (cause) {
      throw new StasisError({
        code: "CREDENTIALS_MISSING",
        doing: "restore",
        subject: { kind: "process", pid, comm },
        reason: `its oom_score_adj of ${wanted} is below that of stasis, and lowering it needs CAP_SYS_RESOURCE`,
        remedy: "lower that of stasis before it starts, or grant it CAP_SYS_RESOURCE",
        cause,
      });
    }
  },
};
