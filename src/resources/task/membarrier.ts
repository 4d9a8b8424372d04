// Which kinds of memory barrier a process has registered for: membarrier(2). Forgotten by exec, needed before use.
import { SyscallError } from "../../kernel/errno.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

const MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9;
/** MEMBARRIER_CMD_REGISTER_...: GLOBAL_EXPEDITED, PRIVATE_EXPEDITED, ..._SYNC_CORE, ..._RSEQ. */
const REGISTRATIONS = [1 << 2, 1 << 4, 1 << 6, 1 << 8] as const;

export const membarrier: TaskPart = {
  name: "membarrier registrations",
  of: "process",
  stage: "after-memory",

  collect({ inside }, core) {
    if (core.tc === undefined) return;
    try {
      const mask = inside.sys.membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0);
      if (mask !== 0) core.tc.membarrierRegistrationMask = mask;
    } catch (error) {
      // EINVAL: a kernel before 6.3, which does not tell.
      if (!(error instanceof SyscallError && error.errno === "EINVAL")) throw error;
    }
  },

  apply({ inside }, core) {
    const mask = core.tc?.membarrierRegistrationMask ?? 0;
    inside.run(
      REGISTRATIONS.filter((command) => (mask & command) !== 0).map((command) => remote.membarrier(command, 0, 0)),
    );
  },
};
