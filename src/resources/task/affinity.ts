// The processors that a thread may run on: sched_setaffinity(2). In a field of ours of core-TID.img.
import { isFieldSet } from "@bufbuild/protobuf";
import { ThreadCoreEntrySchema } from "../../images/format/entries.js";
import { CPU_MASK_BYTES } from "../../kernel/abi/sched.js";
import { unless } from "../../kernel/errno.js";
import { onlineProcessors } from "../../kernel/processors.js";
import { sys } from "../../kernel/syscalls.js";
import type { TaskPart } from "../kind.js";

export const affinity: TaskPart = {
  name: "CPU affinity",
  of: "thread",
  stage: "after-memory",
  limits: ["where none of its processors is there, a thread runs on any"],

  collect({ tracee }, core) {
    if (core.threadCore === undefined) return;
    const mask = new Uint8Array(CPU_MASK_BYTES);
    const lengthBytes = sys.sched_getaffinity(tracee.tid, mask.byteLength, mask);
    const isFree = onlineProcessors().every((number) => ((mask[number >> 3] ?? 0) & (1 << (number & 7))) !== 0);
    core.threadCore.affinity = isFree ? new Uint8Array() : mask.slice(0, lengthBytes);
  },

  apply({ tracee, process: { pid } }, { threadCore }, { log }) {
    if (threadCore === undefined || !isFieldSet(threadCore, ThreadCoreEntrySchema.field.affinity)) return;
    const saved = threadCore.affinity;
    const mask = saved.byteLength === 0 ? new Uint8Array(CPU_MASK_BYTES).fill(0xff) : saved;
    // EINVAL: none of them is there, or allowed by the cpuset.
    const set = unless("EINVAL", () => {
      sys.sched_setaffinity(tracee.tid, mask.byteLength, mask);
      return true;
    });
    if (set === undefined)
      log.warn(`thread ${tracee.tid} of pid ${pid} may run anywhere: none of its processors is here`);
  },
};
