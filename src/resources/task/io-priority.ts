// How urgent a thread's input and output is: ioprio_set(2). In a field of ours of core-TID.img.
import { isFieldSet } from "@bufbuild/protobuf";
import { ThreadCoreEntrySchema } from "../../images/format/entries.js";
import { IOPRIO_WHO_PROCESS } from "../../kernel/abi/sched.js";
import { sys } from "../../kernel/syscalls.js";
import type { TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

export const ioPriority: TaskPart = {
  name: "I/O priority",
  of: "thread",
  stage: "after-memory",

  collect({ tracee }, core) {
    if (core.threadCore !== undefined) core.threadCore.ioPriority = sys.ioprio_get(IOPRIO_WHO_PROCESS, tracee.tid);
  },

  apply(thread, { threadCore }, { once }) {
    if (threadCore === undefined || !isFieldSet(threadCore, ThreadCoreEntrySchema.field.ioPriority)) return;
    const wanted = threadCore.ioPriority;
    if (once(Newborn).ioPriority(thread) !== wanted) sys.ioprio_set(IOPRIO_WHO_PROCESS, thread.tracee.tid, wanted);
  },
};
