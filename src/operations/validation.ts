// What a restore asks of the images before anything is made.
import type { InventoryEntry, MmEntry } from "../images/format/entries.js";
import type { RestoreOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import type { RestoreContext } from "../resources/kind.js";
import { checkMappings } from "../resources/memory/mappings-validate.js";
import { taskParts } from "../resources/task/index.js";
import { type PlannedProcess, processesOf } from "./plan.js";

/** Asks every part of every thread whether its image can be, and for every file that is named. */
export function validate(root: PlannedProcess, context: RestoreContext): void {
  // Those that are alike are one object.
  const checked = new Set<MmEntry>();
  for (const { pid, core, threads, descriptors, fs, mm } of processesOf(root)) {
    if (!checked.has(mm)) checkMappings(pid, mm);
    checked.add(mm);
    for (const id of [mm.exeFileId, fs.cwdId, fs.rootId, ...descriptors.map((one) => one.id)]) context.files.entry(id);
    for (const part of taskParts) {
      part.validate?.(core, context);
      if (part.of === "thread") for (const thread of threads) part.validate?.(thread.core, context);
    }
  }
}

/** Connections that were not saved can only come back closed. */
export function checkOptions(inventory: InventoryEntry, { tcpClose }: RestoreOptions): void {
  if (!inventory.tcpClose || tcpClose) return;
  throw new StasisError({
    code: "OPTION_UNSUPPORTED",
    doing: "restore without",
    subject: { kind: "option", name: "tcp-close" },
    reason: "the dump was made with it, so the images have no TCP connections",
    remedy: "pass --tcp-close",
  });
}
