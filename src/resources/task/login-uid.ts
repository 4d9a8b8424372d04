// The user who logged in, for the audit trail: proc_pid_loginuid(5). Absent on kernels without audit.
import { O } from "../../kernel/abi/fcntl.js";
import { asTargetFd } from "../../kernel/brand.js";
import { readProc } from "../../kernel/proc/read.js";
import type { TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

const UNSET = 0xffffffff;
const CURRENT_DIRECTORY = asTargetFd(-100);

export const loginUid: TaskPart = {
  name: "login uid",
  of: "process",
  // The file lets a task write its own only; early, because its root may be another later.
  stage: "early",
  limits: ["a kernel that fixes the login uid (CONFIG_AUDIT_LOGINUID_IMMUTABLE) keeps the one of stasis"],

  collect({ process }, core) {
    const text = readProc(process.pid, "loginuid");
    if (core.tc !== undefined && text !== undefined) core.tc.loginuid = Number(text);
  },

  apply(thread, core, { once }) {
    const { inside } = thread;
    const wanted = core.tc?.loginuid ?? UNSET;
    const now = once(Newborn).loginuid(thread);
    if (now === undefined || wanted === UNSET || now === wanted) return;
    using path = inside.text("/proc/self/loginuid");
    using value = inside.text(String(wanted));
    const file = inside.sys.openat(CURRENT_DIRECTORY, path.at, O.O_WRONLY, 0);
    inside.sys.write(file, value.at, String(wanted).length);
    inside.sys.close(file);
  },
};
