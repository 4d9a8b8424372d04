// By how much the kernel may put off a thread's time-outs: prctl(2) PR_SET_TIMERSLACK. In a field of ours of core-TID.img.
import { PR } from "../../kernel/abi/prctl.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";
import { Newborn, slackOf } from "./newborn.js";

/** Real-time policies have none, and none can be set under them. */
const NONE = 0n;

export const timerSlack: TaskPart = {
  name: "timer slack",
  of: "thread",
  stage: "after-memory",
  limits: ["the value that PR_SET_TIMERSLACK with 0 goes back to is that of stasis"],

  collect(thread, core) {
    const slack = slackOf(thread);
    if (core.threadCore !== undefined && slack !== NONE) core.threadCore.timerSlack = slack;
  },

  apply(thread, { threadCore }, { once }) {
    const wanted = threadCore?.timerSlack ?? NONE;
    if (wanted !== NONE && once(Newborn).timerSlack(thread) !== wanted)
      thread.inside.later(remote.prctl(PR.PR_SET_TIMERSLACK, wanted, 0n, 0n, 0n));
  },
};
