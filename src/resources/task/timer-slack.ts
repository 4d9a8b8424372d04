// By how much the kernel may put off a thread's time-outs: prctl(2) PR_SET_TIMERSLACK. In a field of ours of core-TID.img.
import { writeFileSync } from "node:fs";
import { readTimerSlack } from "../../kernel/proc/attributes.js";
import type { TaskPart } from "../kind.js";

/** Real-time policies have none, and none can be set under them. */
const NONE = 0n;

export const timerSlack: TaskPart = {
  name: "timer slack",
  of: "thread",
  stage: "after-memory",
  limits: ["the value that PR_SET_TIMERSLACK with 0 goes back to is that of stasis"],

  collect({ tracee }, core) {
    const slack = readTimerSlack(tracee.tid) ?? NONE;
    if (core.threadCore !== undefined && slack !== NONE) core.threadCore.timerSlack = slack;
  },

  apply({ tracee: { tid } }, { threadCore }) {
    const wanted = threadCore?.timerSlack ?? NONE;
    if (wanted !== NONE && readTimerSlack(tid) !== wanted) writeFileSync(`/proc/${tid}/timerslack_ns`, String(wanted));
  },
};
