// Block devices that a process has files on, and whether requests are under way there: /sys/dev/block/MAJOR:MINOR/inflight,
// Documentation/ABI/stable/sysfs-block.
import { readFileSync } from "node:fs";
import type { Pid } from "../../kernel/brand.js";
import { kernelDevice } from "../../kernel/device.js";
import { listFds } from "../../kernel/proc/fdinfo.js";
import { statAt } from "../../kernel/stat.js";

/** Their directories in sysfs. */
export function devicesOf(living: Pid): Set<string> {
  const devices = new Set<string>();
  for (const fd of listFds(living)) {
    const device = kernelDevice(statAt(`/proc/${living}/fd/${fd}`)?.dev ?? 0n);
    const directory = `/sys/dev/block/${device >>> 20}:${device & 0xfffff}`;
    if (inflightIn(directory) !== undefined) devices.add(directory);
  }
  return devices;
}

/** Reads and writes that were begun and have not ended, of whoever asked for them. */
export const isBusy = (directory: string): boolean => /[1-9]/.test(inflightIn(directory) ?? "");

/** Undefined: no block device, as of files in memory. */
function inflightIn(directory: string): string | undefined {
  try {
    return readFileSync(`${directory}/inflight`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
