// Whether a thread may read the time stamp counter: prctl(2) PR_SET_TSC. In a field of ours of core-TID.img.
import { PR, PR_TSC_ENABLE } from "../../kernel/abi/prctl.js";
import { i32, struct } from "../../kernel/declare/struct.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const word = struct("int", 4, { value: [0, i32] });
const mode = asksFor(word, (at) => remote.prctlAt(PR.PR_GET_TSC, at, 0n, 0n, 0n));

export const tsc: TaskPart = {
  name: "access to the time stamp counter",
  of: "thread",
  stage: "after-memory",
  asks: [mode],

  collect({ answers }, core) {
    const { value } = answers.of(mode);
    if (core.threadCore !== undefined && value !== PR_TSC_ENABLE) core.threadCore.tsc = value;
  },

  apply({ inside }, core) {
    const wanted = core.threadCore?.tsc ?? 0;
    if (wanted !== 0) inside.sys.prctl(PR.PR_SET_TSC, BigInt(wanted), 0n, 0n, 0n);
  },
};
