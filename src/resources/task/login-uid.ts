// The user who logged in, for the audit trail: proc_pid_loginuid(5). Absent on kernels without audit.
import { writeFileSync } from "node:fs";
import { readProc } from "../../kernel/proc/read.js";
import type { TaskPart } from "../kind.js";

const UNSET = 0xffffffff;

export const loginUid: TaskPart = {
  name: "login uid",
  of: "process",
  stage: "after-memory",
  limits: ["a kernel that fixes the login uid (CONFIG_AUDIT_LOGINUID_IMMUTABLE) keeps the one of stasis"],

  collect({ process }, core) {
    const text = readProc(process.pid, "loginuid");
    if (core.tc !== undefined && text !== undefined) core.tc.loginuid = Number(text);
  },

  apply({ process }, core) {
    const wanted = core.tc?.loginuid ?? UNSET;
    const now = readProc(process.pid, "loginuid");
    if (now !== undefined && wanted !== UNSET && Number(now) !== wanted)
      writeFileSync(`/proc/${process.pid}/loginuid`, String(wanted));
  },
};
