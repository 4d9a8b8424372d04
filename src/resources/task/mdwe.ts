// That memory which could be written is never run: prctl(2) PR_SET_MDWE. In a field of ours of core-PID.img.
import { PR } from "../../kernel/abi/prctl.js";
import { unless } from "../../kernel/errno.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const deniesExecGain = asks(remote.prctl(PR.PR_GET_MDWE, 0n, 0n, 0n, 0n));

export const mdwe: TaskPart = {
  name: "memory deny write execute",
  of: "process",
  // It cannot be taken back, and forbids what a restore does with memory.
  stage: "last",
  asks: [deniesExecGain],

  collect({ answers }, core) {
    // EINVAL: a kernel before 6.3.
    const bits = Number(unless("EINVAL", () => answers.of(deniesExecGain)) ?? 0);
    if (core.tc !== undefined && bits !== 0) core.tc.mdwe = bits;
  },

  apply({ inside }, core) {
    const bits = core.tc?.mdwe ?? 0;
    if (bits !== 0) inside.sys.prctl(PR.PR_SET_MDWE, BigInt(bits), 0n, 0n, 0n);
  },
};
