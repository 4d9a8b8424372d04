// Whether orphans below a process become its children: prctl(2) PR_SET_CHILD_SUBREAPER.
import { PR } from "../../kernel/abi/prctl.js";
import { i32, struct } from "../../kernel/declare/struct.js";
import type { TaskPart } from "../kind.js";

const word = struct("int", 4, { value: [0, i32] });

export const childSubreaper: TaskPart = {
  name: "child subreaper",
  of: "process",
  stage: "after-memory",

  collect({ inside }, core) {
    if (core.tc === undefined) return;
    core.tc.childSubreaper =
      inside.filled(word, (at) => inside.sys.prctlAt(PR.PR_GET_CHILD_SUBREAPER, at, 0n, 0n, 0n)).value !== 0;
  },

  apply({ inside }, core) {
    if (core.tc?.childSubreaper === true) inside.sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
  },
};
