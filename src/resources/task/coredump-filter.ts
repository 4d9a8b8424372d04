// What a core file of the process would hold: core(5), "Controlling which mappings are written". In a field of ours of core-PID.img.
import { writeFileSync } from "node:fs";
import { isFieldSet } from "@bufbuild/protobuf";
import { TaskCoreEntrySchema } from "../../images/format/entries.js";
import { readCoredumpFilter } from "../../kernel/proc/attributes.js";
import type { TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

export const coredumpFilter: TaskPart = {
  name: "core dump filter",
  of: "process",
  stage: "after-memory",

  collect({ process }, core) {
    const filter = readCoredumpFilter(process.living);
    if (core.tc !== undefined && filter !== undefined) core.tc.coredumpFilter = filter;
  },

  apply(thread, { tc }, { once }) {
    if (tc === undefined || !isFieldSet(tc, TaskCoreEntrySchema.field.coredumpFilter)) return;
    const wanted = tc.coredumpFilter;
    if (once(Newborn).coredumpFilter(thread) !== wanted)
      writeFileSync(`/proc/${thread.process.pid}/coredump_filter`, `0x${wanted.toString(16)}`);
  },
};
