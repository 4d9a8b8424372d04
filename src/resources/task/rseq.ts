// Restartable sequences: rseq(2), ptrace(2) PTRACE_GET_RSEQ_CONFIGURATION.
import { create } from "@bufbuild/protobuf";
import { RseqEntrySchema } from "../../images/format/entries.js";
import { ptrace_rseq_configuration } from "../../kernel/abi/ptrace.js";
import { remote } from "../../tracee/program.js";
import type { TaskPart } from "../kind.js";

export const rseq: TaskPart = {
  name: "restartable sequences",
  of: "thread",
  stage: "after-memory",

  collect({ tracee }, core) {
    if (core.threadCore === undefined) return;
    const bytes = new Uint8Array(ptrace_rseq_configuration.sizeBytes);
    tracee.tracer.sys.ptraceGetRseqConfiguration(tracee.tid, bytes.byteLength, bytes);
    const { rseq_abi_pointer, rseq_abi_size, signature } = ptrace_rseq_configuration.decode(bytes);
    if (rseq_abi_pointer === 0n) return;
    core.threadCore.rseqEntry = create(RseqEntrySchema, {
      rseqAbiPointer: rseq_abi_pointer,
      rseqAbiSize: rseq_abi_size,
      signature,
    });
  },

  apply({ inside }, core) {
    const saved = core.threadCore?.rseqEntry;
    if (saved !== undefined) inside.later(remote.rseq(saved.rseqAbiPointer, saved.rseqAbiSize, 0, saved.signature));
  },
};
