// When a thread is told of memory that broke: prctl(2) PR_MCE_KILL. In a field of ours of core-TID.img.

import { isFieldSet } from "@bufbuild/protobuf";
import { ThreadCoreEntrySchema } from "../../images/format/entries.js";
import { PR, PR_MCE_KILL_DEFAULT, PR_MCE_KILL_SET } from "../../kernel/abi/prctl.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const policy = asks(remote.prctl(PR.PR_MCE_KILL_GET, 0n, 0n, 0n, 0n));

export const mceKill: TaskPart = {
  name: "policy on broken memory",
  of: "thread",
  stage: "after-memory",
  asks: [policy],

  collect({ answers }, core) {
    const found = Number(answers.of(policy));
    if (core.threadCore !== undefined && found !== PR_MCE_KILL_DEFAULT) core.threadCore.mceKill = found;
  },

  apply({ inside }, { threadCore }) {
    if (threadCore === undefined || !isFieldSet(threadCore, ThreadCoreEntrySchema.field.mceKill)) return;
    inside.sys.prctl(PR.PR_MCE_KILL, BigInt(PR_MCE_KILL_SET), BigInt(threadCore.mceKill), 0n, 0n);
  },
};
