// What processes of a tree have in common by clone(2), as the ids in their images tell.
import { CLONE } from "../kernel/abi/process.js";
import { type PlannedProcess, type PlannedTask, processesOf } from "./plan.js";

/** Ids of the descriptor tables that more than one process has. */
export function sharedTables(root: PlannedProcess): Set<number> {
  const once = new Set<number>();
  const shared = new Set<number>();
  for (const { ids } of processesOf(root)) (once.has(ids.filesId) ? shared : once).add(ids.filesId);
  return shared;
}

/** What a child shares with its parent, as flags of clone3(2). */
export function sharingFlags(child: PlannedTask, parent: PlannedTask): bigint {
  if (child.state === "zombie" || parent.state === "zombie") return 0n;
  let flags = 0n;
  if (child.ids.filesId === parent.ids.filesId) flags |= CLONE.CLONE_FILES;
  if (child.ids.fsId === parent.ids.fsId) flags |= CLONE.CLONE_FS;
  return flags;
}
