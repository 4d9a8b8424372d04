// The label that a security module (AppArmor, SELinux, Smack) gives a process: /proc/PID/attr/current. A restored process has that of stasis, so it
// is carried over where the two are the same, and refused elsewhere.
import { asPid, type Pid } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { readProc } from "../../kernel/proc/read.js";
import { StasisError, type Subject } from "../../report/error.js";
import type { TaskPart } from "../kind.js";

export const securityLabel: TaskPart = {
  name: "label of a security module",
  of: "process",
  stage: "early",
  limits: ["one that stasis does not have itself is refused"],

  collect({ process: { living, pid, comm } }) {
    // Without such a module the kernel says so of everybody.
    if (ownLabel() !== undefined) checkLabel(labelOf(living), ownLabel(), { kind: "process", pid, comm });
  },

  validate({ threadCore, tc }) {
    const label = threadCore?.creds?.lsmProfile ?? "";
    if (label !== "") checkLabel(label, ownLabel(), { kind: "host", what: tc?.comm ?? "a thread" });
  },

  apply() {},
};

let known: { readonly label: string | undefined } | undefined;
const ownLabel = () => {
  known ??= { label: labelOf(asPid(process.pid)) };
  return known.label;
};

/** EINVAL: no module gives labels. */
function labelOf(pid: Pid): string | undefined {
  return unless("EINVAL", () => readProc(pid, "attr/current"))?.replace(/[\0\n]+$/, "");
}

export function checkLabel(label: string | undefined, own: string | undefined, subject: Subject): void {
  if (label === own) return;
  throw new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "carry over",
    subject,
    reason: `a security module labels it ${JSON.stringify(label ?? "")}, and stasis ${JSON.stringify(own ?? "")}`,
    remedy: "run stasis under the same label",
  });
}
