// Whether equal pages of all its memory, that which it maps later too, may be merged: prctl(2) PR_SET_MEMORY_MERGE. In a field of ours of core-PID.img.
import { PR } from "../../kernel/abi/prctl.js";
import { unless } from "../../kernel/errno.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const merges = asks(remote.prctl(PR.PR_GET_MEMORY_MERGE, 0n, 0n, 0n, 0n));

export const memoryMerge: TaskPart = {
  name: "merging of equal pages",
  of: "process",
  stage: "after-memory",
  asks: [merges],

  collect({ answers }, core) {
    // EINVAL: a kernel without CONFIG_KSM, or before 6.4.
    if (core.tc !== undefined && unless("EINVAL", () => answers.of(merges)) === 1n) core.tc.memoryMerge = true;
  },

  apply({ inside }, core) {
    if (core.tc?.memoryMerge === true) inside.sys.prctl(PR.PR_SET_MEMORY_MERGE, 1n, 0n, 0n, 0n);
  },
};
