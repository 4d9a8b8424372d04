// What a restore asks of the images before anything is made.
import { readFileSync } from "node:fs";
import type { InventoryEntry, MmEntry } from "../images/format/entries.js";
import type { RestoreOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import type { RestoreContext } from "../resources/kind.js";
import { checkMappings } from "../resources/memory/mappings-validate.js";
import { taskParts } from "../resources/task/index.js";
import { allOf, type PlannedProcess, type PlannedTask, processesOf } from "./plan.js";

const PID_MAX = "/proc/sys/kernel/pid_max";

/** Where pids end is a setting of each machine: proc_sys_kernel(5). */
function checkPids(root: PlannedTask): void {
  const end = Number(readFileSync(PID_MAX, "latin1"));
  for (const task of allOf(root)) {
    const tids = task.state === "zombie" ? [] : task.threads.map(({ tid }) => tid);
    const highest = Math.max(task.pid, ...tids);
    if (highest < end) continue;
    throw new StasisError({
      code: "HOST_UNSUPPORTED",
      doing: "restore",
      subject: { kind: "process", pid: task.pid, comm: task.comm },
      reason: `it has the pid ${highest}, and here they end at ${end} (kernel.pid_max)`,
      remedy: `sysctl kernel.pid_max=${PID_MAX_LIMIT}`,
    });
  }
}
/** include/linux/threads.h */
const PID_MAX_LIMIT = 4194304;

/** Asks every part of every thread whether its image can be, and for every file that is named. */
export function validate(root: PlannedProcess, context: RestoreContext): void {
  checkPids(root);
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
