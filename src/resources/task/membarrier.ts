// Which kinds of memory barrier a process has registered for: membarrier(2). Forgotten by exec, needed before use.
import { unless } from "../../kernel/errno.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9;
/** MEMBARRIER_CMD_REGISTER_...: GLOBAL_EXPEDITED, PRIVATE_EXPEDITED, ..._SYNC_CORE, ..._RSEQ. */
const REGISTRATIONS = [1 << 2, 1 << 4, 1 << 6, 1 << 8] as const;
const registrations = asks(remote.membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0));

export const membarrier: TaskPart = {
  name: "membarrier registrations",
  of: "process",
  stage: "after-memory",
  asks: [registrations],

  collect({ answers }, core) {
    if (core.tc === undefined) return;
    // EINVAL: a kernel before 6.3, which does not tell.
    const mask = Number(unless("EINVAL", () => answers.of(registrations)) ?? 0);
    if (mask !== 0) core.tc.membarrierRegistrationMask = mask;
  },

  apply({ inside }, core) {
    const mask = core.tc?.membarrierRegistrationMask ?? 0;
    for (const command of REGISTRATIONS) if ((mask & command) !== 0) inside.later(remote.membarrier(command, 0, 0));
  },
};
