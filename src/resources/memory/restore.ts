// An address space made again: the mappings, their protection and advice. mmap(2), mprotect(2), mremap(2).
//
// The task does it itself: descriptors of ours are fetched into it (pidfd_getfd). What the mappings hold we write (contents.ts).

import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import type { PageRange, PagesReader } from "../../images/pages/read.js";
import { MADV, MAP, MLOCK_ONFAULT, PAGE_SIZE, PROT, TASK_SIZE } from "../../kernel/abi/mman.js";
import { asAddress } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import { REGION_BYTES } from "../../tracee/seed.js";
import { type Comparison, differences, type Span } from "./inherit.js";
import { type Backing, type Fetch, mapAll } from "./map.js";
import { isShmVma } from "./shm-attach.js";

const is = (vma: VmaEntry, status: number) => (vma.status & status) !== 0;
const KERNELS_OWN = VmaStatus.AREA_VSYSCALL | VmaStatus.AREA_VDSO | VmaStatus.AREA_VVAR;
const LASTING = [
  MADV.MADV_RANDOM,
  MADV.MADV_SEQUENTIAL,
  MADV.MADV_DONTFORK,
  MADV.MADV_MERGEABLE,
  MADV.MADV_HUGEPAGE,
  MADV.MADV_NOHUGEPAGE,
  MADV.MADV_DONTDUMP,
  MADV.MADV_WIPEONFORK,
];
const lengthOf = (vma: VmaEntry) => vma.end - vma.start;

/** What a task was forked from. */
export interface Inheritance {
  readonly mm: MmEntry;
  readonly pages: PagesReader;
  /** The mappings that it has in common with the task: inheritedVmas. */
  readonly vmas: readonly VmaEntry[];
  readonly comparison: Comparison;
}

/** An address space to be filled. */
export interface MemoryPlan {
  readonly mm: MmEntry;
  readonly pages: PagesReader;
  /** Set when the task was forked from the filled memory of its parent. */
  readonly parent?: Inheritance;
  readonly fetch: Fetch;
  readonly backing: Backing;
}

/** An address space that has its mappings. */
export interface MappedMemory {
  /** These can be written to until `finishMemory`. */
  readonly writable: ReadonlySet<VmaEntry>;
  /** What they are to hold. */
  readonly pages: readonly PageRange[];
}

/**
 * Makes every mapping, when the calls that are put off are made; then the pages can be written. What the task has in memory besides our
 * region goes away, but for what it inherits.
 */
export function mapMemory(inside: Inside, plan: MemoryPlan): MappedMemory {
  const { mm, parent } = plan;
  const vmas = mm.vmas.filter((vma) => !is(vma, KERNELS_OWN | VmaStatus.AREA_GUARD));
  const ranges = rangesOf(plan);
  const filled = vmasWithPages(vmas, ranges);
  const inherited = parent?.vmas ?? [];
  const kept = new Set(inherited);
  clearAllBut(inside, inherited);
  const mapped = vmas.filter((vma) => !kept.has(vma) && !isShmVma(vma));
  inside.streaming(() => {
    mapAll(inside, mapped, { ...plan, protectionOf: (vma) => whileFilled(vma, filled.has(vma)) });
  });
  for (const vma of inherited)
    inside.later(remote.mprotect(asAddress(vma.start), lengthOf(vma), whileFilled(vma, filled.has(vma))));
  const { write, drop } =
    parent === undefined
      ? { write: ranges, drop: [] }
      : differences(ranges, rangesOf(parent), inherited, parent.comparison);
  for (const { start, end } of drop) inside.later(remote.madvise(asAddress(start), end - start, MADV.MADV_DONTNEED));
  return { writable: filled, pages: write };
}

/** Protection, advice, locks and guard regions: the last of a task's memory, when no child will be forked from it any more. */
export function finishMemory(inside: Inside, { vmas }: MmEntry, filled: ReadonlySet<VmaEntry>): void {
  const guards = vmas.filter((vma) => is(vma, VmaStatus.AREA_GUARD));
  const others = vmas.filter((vma) => !is(vma, KERNELS_OWN | VmaStatus.AREA_GUARD));
  inside.streaming(() => {
    for (const vma of others) finish(inside, vma, filled.has(vma));
    for (const vma of guards)
      inside.later(remote.madvise(asAddress(vma.start), lengthOf(vma), MADV.MADV_GUARD_INSTALL));
  });
}

function rangesOf({ mm, pages }: Pick<MemoryPlan, "mm" | "pages">): readonly PageRange[] {
  const known = rangesKnown.get(pages);
  if (known !== undefined) return known;
  const own = mm.vmas.filter((vma) => is(vma, KERNELS_OWN));
  const ranges = pages.all.filter(({ vaddr }) => !own.some(({ start, end }) => start <= vaddr && vaddr < end));
  rangesKnown.set(pages, ranges);
  return ranges;
}
/** Those of a parent are asked for once more for each of its children. */
const rangesKnown = new WeakMap<PagesReader, readonly PageRange[]>();

/** Unmaps everything but our region and what is kept, which is in ascending order. */
function clearAllBut(inside: Inside, kept: readonly Span[]): void {
  const region = { start: BigInt(inside.ground.stub), end: inside.ground.stub + BigInt(REGION_BYTES) };
  const stay = [...kept, region].sort((a, b) => (a.start < b.start ? -1 : 1));
  let at = 0n;
  for (const { start, end } of [...stay, { start: TASK_SIZE, end: TASK_SIZE }]) {
    if (start > at) inside.later(remote.munmap(asAddress(at), start - at));
    at = end;
  }
}

function vmasWithPages(vmas: readonly VmaEntry[], ranges: readonly PageRange[]): Set<VmaEntry> {
  const found = new Set<VmaEntry>();
  let at = 0;
  for (const range of ranges) {
    const end = range.vaddr + BigInt(range.pageCount) * PAGE_SIZE;
    for (let vma = vmas[at]; vma !== undefined && vma.end <= range.vaddr; vma = vmas[at]) at++;
    for (let next = at; (vmas[next]?.start ?? end) < end; next++) {
      const vma = vmas[next];
      if (vma !== undefined) found.add(vma);
    }
  }
  return found;
}

/** The protection while its pages are read in: the kernel refuses to copy into memory that the task could not write. */
const whileFilled = (vma: VmaEntry, isFilled: boolean) =>
  isFilled ? vma.prot | PROT.PROT_WRITE | PROT.PROT_READ : vma.prot;

/** Sets protection, advice and locks, when the contents are in place. */
function finish(inside: Inside, vma: VmaEntry, isFilled: boolean): void {
  const start = asAddress(vma.start);
  if (whileFilled(vma, isFilled) !== vma.prot) inside.later(remote.mprotect(start, lengthOf(vma), vma.prot));
  if (vma.madv !== 0n)
    for (const advice of LASTING)
      if ((vma.madv & (1n << BigInt(advice))) !== 0n) inside.later(remote.madvise(start, lengthOf(vma), advice));
  if ((vma.flags & MAP.MAP_LOCKED) !== 0)
    inside.later(remote.mlock2(start, lengthOf(vma), vma.lockedOnFault ? MLOCK_ONFAULT : 0));
}
