// Huge pages of hugetlbfs: mmap(2) MAP_HUGETLB, memfd_create(2) MFD_HUGETLB, shmget(2) SHM_HUGETLB.
import { statfsSync } from "node:fs";
import { HUGE_MASK, HUGE_SHIFT, MAP, PAGE_SIZE } from "../../kernel/abi/mman.js";

/** include/uapi/linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;
const DEFAULT_SHIFT = 21;

/** How large the pages of a file are when it is one of hugetlbfs; undefined: it is not. `path` leads to the file. */
export function hugePageBytes(path: string): number | undefined {
  const { type, bsize } = statfsSync(path);
  return type === HUGETLBFS_MAGIC ? bsize : undefined;
}

/** The upper bits of flags that stand for pages of this size. */
export const hugeSizeFlags = (pageBytes: number) => Math.log2(pageBytes) << HUGE_SHIFT;

/** How large an object is, and its pages. */
export interface Shape {
  readonly sizeBytes: bigint;
  readonly pageBytes: bigint;
}

/** `hugeFlag`: which bit of `flags` asks for huge pages; their size is in the upper bits. */
export function pageBytesOf(flags: number, hugeFlag: number): bigint {
  return (flags & hugeFlag) === 0 ? PAGE_SIZE : 1n << BigInt((flags & HUGE_MASK) >>> HUGE_SHIFT || DEFAULT_SHIFT);
}

export const wholePages = ({ sizeBytes, pageBytes }: Shape) => (sizeBytes + pageBytes - 1n) & -pageBytes;

/** For a mapping of such pages. */
export const hugeMapFlags = ({ pageBytes }: Shape) =>
  pageBytes === PAGE_SIZE ? 0 : MAP.MAP_HUGETLB | hugeSizeFlags(Number(pageBytes));
