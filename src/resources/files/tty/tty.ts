// Terminals: tty(4), pty(7). Descriptions here; what is behind them in terminals.ts for a dump, in restored.ts for a restore.
import { create } from "@bufbuild/protobuf";
import { TtyFileEntrySchema } from "../../../images/format/entries.js";
import type { FileKind } from "../../kind.js";
import { TERMINAL_MAJORS } from "./devices.js";
import { RestoredTerminals } from "./restored.js";
import { Terminals } from "./terminals.js";

export const tty: FileKind<"tty"> = {
  support: "full",
  type: "TTY",
  field: "tty",
  summary: "terminals, tty(4), pty(7)",
  signatures: [{ mode: "character", majors: TERMINAL_MAJORS }],
  limits: [
    "a slave whose master is outside of the tree needs --shell-job, --orphan-pts-master or --external tty[RDEV:DEV]",
    "a terminal that was stopped by its stop character runs again",
    "what a master in packet mode was to be told besides data is lost when there is data",
  ],

  collect(file, common, context) {
    const terminals = context.once(Terminals);
    const ttyInfoId = terminals.note(file);
    const path = terminals.isExternal(file) ? {} : { regfId: context.files.register(file, common.flags) };
    return create(TtyFileEntrySchema, { ...common, ttyInfoId, ...path });
  },

  validate(entry, context) {
    context.once(RestoredTerminals).check(entry);
  },

  open(entry, context) {
    return context.once(RestoredTerminals).open(entry);
  },
};
