// Huge pages of hugetlbfs: mmap(2) MAP_HUGETLB, memfd_create(2) MFD_HUGETLB, shmget(2) SHM_HUGETLB.
import { statfsSync } from "node:fs";
import { HUGE_SHIFT } from "../../kernel/abi/mman.js";

/** include/uapi/linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;

/** How large the pages of a file are when it is one of hugetlbfs; undefined: it is not. `path` leads to the file. */
export function hugePageBytes(path: string): number | undefined {
  const { type, bsize } = statfsSync(path);
  return type === HUGETLBFS_MAGIC ? bsize : undefined;
}

/** The upper bits of flags that stand for pages of this size. */
export const hugeSizeFlags = (pageBytes: number) => Math.log2(pageBytes) << HUGE_SHIFT;
