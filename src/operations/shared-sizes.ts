// How large each object of shared anonymous memory is: the images do not say, the mappings of it do.
import { VmaStatus } from "../images/format/numbers.js";
import { type PlannedProcess, processesOf } from "./plan.js";

/** Bytes by shmid: as far as the mapping that reaches farthest. */
export function sharedMemorySizes(root: PlannedProcess): Map<bigint, bigint> {
  const sizes = new Map<bigint, bigint>();
  for (const { mm } of processesOf(root)) {
    for (const vma of mm.vmas) {
      if ((vma.status & VmaStatus.ANON_SHARED) === 0) continue;
      const reach = vma.pgoff + (vma.end - vma.start);
      if (reach > (sizes.get(vma.shmid) ?? 0n)) sizes.set(vma.shmid, reach);
    }
  }
  return sizes;
}
