// ioctl(PAGEMAP_SCAN) on /proc/PID/pagemap, kernel 6.7: include/uapi/linux/fs.h, Documentation/admin-guide/mm/pagemap.rst
import { struct, u64 } from "../declare/struct.js";

/** PAGE_IS_*, what a page can be. */
export const CATEGORY = {
  /** Registered for asynchronous userfaultfd write-protection. */
  WPALLOWED: 1n << 0n,
  /** Not write-protected: written since it was protected last. */
  WRITTEN: 1n << 1n,
  /** Of a file or of shared memory. */
  FILE: 1n << 2n,
  PRESENT: 1n << 3n,
  SWAPPED: 1n << 4n,
  /** The page of zeros that all processes share. */
  PFNZERO: 1n << 5n,
  HUGE: 1n << 6n,
  SOFT_DIRTY: 1n << 7n,
  /** MADV_GUARD_INSTALL; kernel 6.15. */
  GUARD: 1n << 8n,
} as const;

/** Write-protect what matched. */
export const PM_SCAN_WP_MATCHING = 1n << 0n;
/** Fail on a mapping that is not registered for asynchronous write-protection. */
export const PM_SCAN_CHECK_WPASYNC = 1n << 1n;

/** _IOWR('f', 16, struct pm_scan_arg) */
export const PAGEMAP_SCAN = 0xc0606610;

export const page_region = struct("page_region", 24, { start: [0, u64], end: [8, u64], categories: [16, u64] });
export const pm_scan_arg = struct("pm_scan_arg", 96, {
  size: [0, u64],
  flags: [8, u64],
  start: [16, u64],
  end: [24, u64],
  walk_end: [32, u64],
  vec: [40, u64],
  vec_len: [48, u64],
  max_pages: [56, u64],
  category_inverted: [64, u64],
  category_mask: [72, u64],
  category_anyof_mask: [80, u64],
  return_mask: [88, u64],
});
