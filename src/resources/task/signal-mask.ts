// Blocked signals of a thread: sigprocmask(2). Read from outside; set with ptrace when the thread is let go.
import { isFieldSet } from "@bufbuild/protobuf";
import { type CoreEntry, ThreadCoreEntrySchema } from "../../images/format/entries.js";
import type { TaskPart } from "../kind.js";

export const signalMask: TaskPart = {
  name: "signal mask",
  of: "thread",
  stage: "last",

  collect(thread, core) {
    if (core.threadCore !== undefined) core.threadCore.blkSigset = thread.signalMask;
    if (core.tc !== undefined) core.tc.blkSigset = thread.signalMask;
  },

  apply() {
    // Until the thread runs, everything stays blocked: see maskOf.
  },
};

/** The mask that the thread gets when it is let go. */
export function maskOf({ threadCore, tc }: CoreEntry): bigint {
  // CRIU has that of the first thread where old images have it.
  const isHere = threadCore !== undefined && isFieldSet(threadCore, ThreadCoreEntrySchema.field.blkSigset);
  return (isHere ? threadCore.blkSigset : tc?.blkSigset) ?? 0n;
}
