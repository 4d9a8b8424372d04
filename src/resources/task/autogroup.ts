// The nice value of a session's processes as a whole: sched(7), "The autogroup feature". In a field of ours of core-PID.img.
import { writeFileSync } from "node:fs";
import { asPid } from "../../kernel/brand.js";
import { readAutogroupNice } from "../../kernel/proc/attributes.js";
import { readStat } from "../../kernel/proc/stat.js";
import type { TaskPart } from "../kind.js";

/** That of every new session. */
const DEFAULT = 0;

export const autogroup: TaskPart = {
  name: "autogroup",
  of: "process",
  stage: "after-memory",

  collect({ process }, core) {
    const nice = readAutogroupNice(process.living) ?? DEFAULT;
    if (core.tc !== undefined && nice !== DEFAULT) core.tc.autogroupNice = nice;
  },

  /** Not of the session that stasis itself is in: its group is everybody's. */
  apply({ process: { pid } }, core) {
    const wanted = core.tc?.autogroupNice ?? DEFAULT;
    if (wanted === DEFAULT || readAutogroupNice(pid) === wanted) return;
    if (readStat(pid)?.session === readStat(asPid(process.pid))?.session) return;
    writeFileSync(`/proc/${pid}/autogroup`, String(wanted));
  },
};
