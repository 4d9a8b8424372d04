// Resource limits: getrlimit(2). Read from /proc/PID/limits, since prlimit(2) on others needs CAP_SYS_RESOURCE.
import { create } from "@bufbuild/protobuf";
import { RlimitEntrySchema, TaskRlimitsEntrySchema } from "../../images/format/entries.js";
import { rlimit64 } from "../../kernel/abi/sched.js";
import { NULL } from "../../kernel/brand.js";
import { SyscallError } from "../../kernel/errno.js";
import { readLimits } from "../../kernel/proc/limits.js";
import { StasisError } from "../../report/error.js";
import type { RestoredThread, TaskPart } from "../kind.js";

export const limits: TaskPart = {
  name: "resource limits",
  of: "process",
  stage: "after-memory",

  collect({ process }, core) {
    if (core.tc === undefined) return;
    const rlimits = (readLimits(process.pid) ?? []).map(({ soft, hard }) =>
      create(RlimitEntrySchema, { cur: soft, max: hard }),
    );
    core.tc.rlimits = create(TaskRlimitsEntrySchema, { rlimits });
  },

  apply(thread, core) {
    const now = readLimits(thread.process.pid) ?? [];
    core.tc?.rlimits?.rlimits.forEach(({ cur, max }, resource) => {
      if (now[resource]?.soft === cur && now[resource]?.hard === max) return;
      setLimit(thread, resource, cur, max);
    });
  },
};

function setLimit(
  { inside, process: { pid, comm } }: RestoredThread,
  resource: number,
  cur: bigint,
  max: bigint,
): void {
  using room = inside.holding(rlimit64.encode({ rlim_cur: cur, rlim_max: max }));
  try {
    inside.sys.prlimit64(0, resource, room.at, NULL);
  } catch (cause) {
    if (!(cause instanceof SyscallError) || cause.errno !== "EPERM") throw cause;
    throw new StasisError({
      code: "CREDENTIALS_MISSING",
      doing: "restore",
      subject: { kind: "process", pid, comm },
      reason: `its resource limit ${resource} of ${max} is above that of stasis, and raising it needs CAP_SYS_RESOURCE`,
      remedy: "start stasis with that hard limit (prlimit(1)), or grant it CAP_SYS_RESOURCE",
      cause,
    });
  }
}
