// The signal that a thread gets when its parent ends: prctl(2) PR_SET_PDEATHSIG. A change of credentials clears it.
import { PR } from "../../kernel/abi/prctl.js";
import { i32, struct } from "../../kernel/declare/struct.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const word = struct("int", 4, { value: [0, i32] });
const deathSignal = asksFor(word, (at) => remote.prctlAt(PR.PR_GET_PDEATHSIG, at, 0n, 0n, 0n));

export const parentDeathSignal: TaskPart = {
  name: "parent death signal",
  of: "thread",
  stage: "last",
  asks: [deathSignal],

  collect({ answers }, core) {
    if (core.threadCore === undefined) return;
    const { value } = answers.of(deathSignal);
    if (value !== 0) core.threadCore.pdeathSig = value;
  },

  apply({ inside }, core) {
    const signal = core.threadCore?.pdeathSig ?? 0;
    if (signal !== 0) inside.later(remote.prctl(PR.PR_SET_PDEATHSIG, BigInt(signal), 0n, 0n, 0n));
  },
};
