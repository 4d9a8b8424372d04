// Resource limits: getrlimit(2). Read from /proc/PID/limits, since prlimit(2) on others needs CAP_SYS_RESOURCE.
import { create } from "@bufbuild/protobuf";
import { RlimitEntrySchema, TaskRlimitsEntrySchema } from "../../images/format/entries.js";
import { RLIMIT_NOFILE, rlimit64 } from "../../kernel/abi/sched.js";
import { NULL } from "../../kernel/brand.js";
import { SyscallError } from "../../kernel/errno.js";
import { readLimits } from "../../kernel/proc/limits.js";
import { StasisError } from "../../report/error.js";
import { remote } from "../../tracee/program.js";
import type { RestoredThread, TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

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

  apply(thread, core, { once }) {
    const now = once(Newborn).limits(thread);
    core.tc?.rlimits?.rlimits.forEach(({ cur, max }, resource) => {
      const isKept = now[resource]?.soft === cur && now[resource]?.hard === max;
      if (!isKept) setLimit(thread, resource, cur, max);
      // It was raised where there are many descriptors.
      else if (resource === RLIMIT_NOFILE)
        thread.inside.laterWith(encode(cur, max), (at) => remote.prlimit64(0, resource, at, NULL));
    });
  },
};

const encode = (cur: bigint, max: bigint) => rlimit64.encode({ rlim_cur: cur, rlim_max: max });

function setLimit(
  { inside, process: { pid, comm } }: RestoredThread,
  resource: number,
  cur: bigint,
  max: bigint,
): void {
  using room = inside.holding(encode(cur, max));
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
