// Execution domain and its flags (ADDR_NO_RANDOMIZE and the like): personality(2).
import { readProc } from "../../kernel/proc/read.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

export const personality: TaskPart = {
  name: "personality",
  of: "process",
  // READ_IMPLIES_EXEC would change the protection of every mapping that is made after it.
  stage: "after-memory",

  collect({ process }, core) {
    if (core.tc !== undefined) core.tc.personality = Number.parseInt(readProc(process.pid, "personality") ?? "0", 16);
  },

  apply({ inside }, core) {
    inside.later(remote.personality(BigInt(core.tc?.personality ?? 0)));
  },
};
