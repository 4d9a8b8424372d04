// By how much the kernel may put off a thread's time-outs: prctl(2) PR_SET_TIMERSLACK. In a field of ours of core-TID.img.
import { PR } from "../../kernel/abi/prctl.js";
import type { Pid } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { readTimerSlack } from "../../kernel/proc/attributes.js";
import type { Inside } from "../../tracee/inside.js";
import type { TaskPart } from "../kind.js";

/** Real-time policies have none, and none can be set under them. */
const NONE = 0n;

export const timerSlack: TaskPart = {
  name: "timer slack",
  of: "thread",
  stage: "after-memory",
  limits: ["the value that PR_SET_TIMERSLACK with 0 goes back to is that of stasis"],

  collect({ tracee, inside }, core) {
    const slack = slackOf(tracee.tid, inside);
    if (core.threadCore !== undefined && slack !== NONE) core.threadCore.timerSlack = slack;
  },

  apply({ tracee: { tid }, inside }, { threadCore }) {
    const wanted = threadCore?.timerSlack ?? NONE;
    if (wanted !== NONE && slackOf(tid, inside) !== wanted) inside.sys.prctl(PR.PR_SET_TIMERSLACK, wanted, 0n, 0n, 0n);
  },
};

/** Of another thread the file is shown to whoever has CAP_SYS_NICE: a worker that has become its client has not. */
function slackOf(tid: Pid, inside: Inside): bigint {
  const shown = unless("EPERM", () => readTimerSlack(tid));
  return shown ?? BigInt(inside.sys.prctl(PR.PR_GET_TIMERSLACK, 0n, 0n, 0n, 0n));
}
