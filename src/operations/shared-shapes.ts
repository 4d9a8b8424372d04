// How large each object of shared anonymous memory is, where the images do not say it: as far as its mappings reach.
import { VmaStatus } from "../images/format/numbers.js";
import { MAP } from "../kernel/abi/mman.js";
import { pageBytesOf, type Shape } from "../resources/memory/huge-pages.js";
import { isShmVma } from "../resources/memory/shm-attach.js";
import { type PlannedProcess, processesOf } from "./plan.js";

/** By shmid: up to the end of the mapping that reaches farthest. */
export function sharedMemoryShapes(root: PlannedProcess): Map<bigint, Shape> {
  const shapes = new Map<bigint, Shape>();
  for (const { mm } of processesOf(root)) {
    for (const vma of mm.vmas) {
      if ((vma.status & VmaStatus.ANON_SHARED) === 0 || isShmVma(vma)) continue;
      const reach = vma.pgoff + (vma.end - vma.start);
      if (reach > (shapes.get(vma.shmid)?.sizeBytes ?? 0n))
        shapes.set(vma.shmid, { sizeBytes: reach, pageBytes: pageBytesOf(vma.flags, MAP.MAP_HUGETLB) });
    }
  }
  return shapes;
}
