// Which pages of a process exist: ioctl(PAGEMAP_SCAN) of kernel 6.7, many pages in one region.
import { CATEGORY, PAGEMAP_SCAN, page_region, pm_scan_arg } from "../abi/pagemap.js";
import { type Address, asAddress, type Fd } from "../brand.js";
import { addressOf } from "../call.js";
import { unless } from "../errno.js";
import { sys } from "../syscalls.js";

export { CATEGORY, PM_SCAN_CHECK_WPASYNC, PM_SCAN_WP_MATCHING } from "../abi/pagemap.js";

/** Which pages are wanted, in sets of CATEGORY; nothing: every page of every mapping. */
export interface PageFilter {
  /** All of these. */
  readonly required?: bigint;
  /** And at least one of these, when given. */
  readonly anyOf?: bigint;
  /** These are matched when they are *not* so: listed here and in `required`, a category must be absent. */
  readonly inverted?: bigint;
  /** Categories to tell regions apart by; nothing: neighbours become one region whatever they are. */
  readonly returned?: bigint;
  /** PM_SCAN_*. */
  readonly flags?: bigint;
}

/** A run of pages with the same returned categories. */
export interface PageRegion {
  readonly start: Address;
  /** Exclusive. */
  readonly end: Address;
  readonly categories: bigint;
}

/** Regions that one call may fill: 96 KiB. */
const REGIONS_AT_ONCE = 4096;
const WORDS = page_region.sizeBytes / 8;

/**
 * Pages between `start` and `end` (exclusive, of pages) of the process behind an open /proc/PID/pagemap, ascending.
 * Throws SyscallError: ENOTTY before kernel 6.7, ESRCH when the process is gone, EPERM with PM_SCAN_CHECK_WPASYNC.
 */
export function* scanPages(pagemap: Fd, start: Address, end: Address, filter: PageFilter): Generator<PageRegion> {
  const regions = spare ?? new BigUint64Array(WORDS * REGIONS_AT_ONCE);
  spare = undefined;
  try {
    for (let from: bigint = start; from < end; ) {
      const filled = scan(pagemap, from, end, filter, regions);
      for (let at = 0; at < filled * WORDS; at += WORDS) {
        from = regions[at + 1] ?? end;
        yield { start: asAddress(regions[at] ?? 0n), end: asAddress(from), categories: regions[at + 2] ?? 0n };
      }
      // Not `walk_end`: the kernel sets it when its own buffer of 512 regions is full and leaves it there when the walk then
      // ends (fs/proc/task_mmu.c:do_pagemap_scan, seen on 6.18), so pages after it would be reported twice.
      if (filled < REGIONS_AT_ONCE) return;
    }
  } finally {
    spare = regions;
  }
}

/** What the last scan was done with: two scans of every process of a tree would keep the collector busy. Undefined: a scan goes on. */
let spare: BigUint64Array<ArrayBuffer> | undefined;

/** One call; result: how many regions it filled in. */
function scan(pagemap: Fd, start: bigint, end: bigint, filter: PageFilter, regions: BigUint64Array): number {
  const argument = pm_scan_arg.encode({
    size: BigInt(pm_scan_arg.sizeBytes),
    flags: filter.flags ?? 0n,
    start,
    end,
    walk_end: 0n,
    vec: addressOf(new Uint8Array(regions.buffer)),
    vec_len: BigInt(regions.length / WORDS),
    max_pages: 0n,
    category_inverted: filter.inverted ?? 0n,
    category_mask: filter.required ?? 0n,
    category_anyof_mask: filter.anyOf ?? 0n,
    return_mask: filter.returned ?? 0n,
  });
  return sys.ioctl(pagemap, PAGEMAP_SCAN, argument);
}

let guardsAreTold: boolean | undefined;

/** Whether this kernel tells guard pages (MADV_GUARD_INSTALL, 6.13) from others: PAGE_IS_GUARD came with 6.15, EINVAL before. */
export function tellsGuardPages(pagemap: Fd): boolean {
  guardsAreTold ??=
    unless("EINVAL", () =>
      scanPages(pagemap, asAddress(0n), asAddress(0x1000n), { required: CATEGORY.GUARD }).next(),
    ) !== undefined;
  return guardsAreTold;
}
