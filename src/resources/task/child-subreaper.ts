// Whether orphans below a process become its children: prctl(2) PR_SET_CHILD_SUBREAPER.
import { PR } from "../../kernel/abi/prctl.js";
import { i32, struct } from "../../kernel/declare/struct.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const word = struct("int", 4, { value: [0, i32] });
const isSubreaper = asksFor(word, (at) => remote.prctlAt(PR.PR_GET_CHILD_SUBREAPER, at, 0n, 0n, 0n));

export const childSubreaper: TaskPart = {
  name: "child subreaper",
  of: "process",
  stage: "after-memory",
  asks: [isSubreaper],

  collect({ answers }, core) {
    if (core.tc !== undefined) core.tc.childSubreaper = answers.of(isSubreaper).value !== 0;
  },

  apply({ inside }, core) {
    if (core.tc?.childSubreaper === true) inside.later(remote.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n));
  },
};
