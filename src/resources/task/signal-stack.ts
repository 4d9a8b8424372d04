// The alternate stack for signal handlers: sigaltstack(2). A thread's own; the kernel tells it to nobody else.
import { create } from "@bufbuild/protobuf";
import { ThreadSasEntrySchema } from "../../images/format/entries.js";
import { stack_t } from "../../kernel/abi/signal.js";
import { NULL } from "../../kernel/brand.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const SS_ONSTACK = 1;
const alternateStack = asksFor(stack_t, (at) => remote.sigaltstack(NULL, at));

export const signalStack: TaskPart = {
  name: "alternate signal stack",
  of: "thread",
  stage: "after-memory",
  asks: [alternateStack],

  collect({ answers }, core) {
    if (core.threadCore === undefined) return;
    const stack = answers.of(alternateStack);
    core.threadCore.sas = create(ThreadSasEntrySchema, {
      ssSp: stack.ss_sp,
      ssSize: stack.ss_size,
      ssFlags: stack.ss_flags >>> 0, // SS_AUTODISARM is the highest bit
    });
  },

  apply({ inside }, core) {
    const saved = core.threadCore?.sas;
    if (saved === undefined) return;
    // Being on the stack shows in the stack pointer; it is not something that can be set.
    const stack = stack_t.encode({ ss_sp: saved.ssSp, ss_flags: saved.ssFlags & ~SS_ONSTACK, ss_size: saved.ssSize });
    inside.laterWith(stack, (at) => remote.sigaltstack(at, NULL));
  },
};
