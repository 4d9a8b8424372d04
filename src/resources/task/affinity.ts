// The processors that a thread may run on: sched_setaffinity(2). In a field of ours of core-TID.img.
import { isFieldSet } from "@bufbuild/protobuf";
import { ThreadCoreEntrySchema } from "../../images/format/entries.js";
import { CPU_MASK_BYTES } from "../../kernel/abi/sched.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import type { TaskPart } from "../kind.js";
import { affinityOf, Newborn } from "./newborn.js";

export const affinity: TaskPart = {
  name: "CPU affinity",
  of: "thread",
  stage: "after-memory",
  limits: ["where none of its processors is there, a thread runs on any"],

  collect({ tracee }, core) {
    if (core.threadCore === undefined) return;
    core.threadCore.affinity = affinityOf(tracee.tid);
  },

  apply(thread, { threadCore }, { log, once }) {
    if (threadCore === undefined || !isFieldSet(threadCore, ThreadCoreEntrySchema.field.affinity)) return;
    const saved = threadCore.affinity;
    if (Buffer.compare(saved, once(Newborn).affinity(thread)) === 0) return;
    const { tracee, process } = thread;
    const mask = saved.byteLength === 0 ? new Uint8Array(CPU_MASK_BYTES).fill(0xff) : saved;
    // EINVAL: none of them is there, or allowed by the cpuset.
    const set = unless("EINVAL", () => {
      sys.sched_setaffinity(tracee.tid, mask.byteLength, mask);
      return true;
    });
    if (set === undefined)
      log.warn(`thread ${tracee.tid} of pid ${process.pid} may run anywhere: none of its processors is here`);
  },
};
