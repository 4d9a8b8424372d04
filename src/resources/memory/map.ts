// Mappings made in a task: mmap(2), mprotect(2).
//
// Neighbours that differ in protection alone are made together and taken apart again, as the program itself did it mostly: a call for each that
// is not as most of them are, and the kernel splits a mapping faster than it makes one.
import type { VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { HUGE_MASK, MAP, PROT } from "../../kernel/abi/mman.js";
import { asAddress, type Fd, NO_TARGET_FD, type TargetFd } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { expecting, remote } from "../../tracee/program.js";

/** Fetches a descriptor of ours into the target: the same one each time for the same descriptor. */
export type Fetch = (ours: Fd) => TargetFd;
/** Our descriptor for the file or shared memory behind a mapping. */
export type Backing = (vma: VmaEntry) => Fd | undefined;
export interface Means {
  readonly fetch: Fetch;
  readonly backing: Backing;
  readonly protectionOf: (vma: VmaEntry) => number;
}

/** The kernel refuses memory at once that is more than the machine's, while its parts may be had: mm/util.c, __vm_enough_memory(). */
const MOST_BYTES = 1n << 30n;
/** Not with neighbours: what has properties that the kernel keeps for a mapping as a whole. */
const ALONE = MAP.MAP_GROWSDOWN | MAP.MAP_HUGETLB | MAP.MAP_DROPPABLE | MAP.MAP_SHARED;

const lengthOf = ({ start, end }: Pick<VmaEntry, "start" | "end">) => end - start;

/** Puts off what makes `vmas`, which are in ascending order, with the protection that `means` tells. */
export function mapAll(inside: Inside, vmas: readonly VmaEntry[], means: Means): void {
  for (let from = 0; from < vmas.length; ) {
    const to = endOfNeighbours(vmas, from);
    mapNeighbours(inside, vmas.slice(from, to), means);
    from = to;
  }
}

function endOfNeighbours(vmas: readonly VmaEntry[], from: number): number {
  const first = vmas[from];
  let last = first;
  let next = from + 1;
  for (let vma = vmas[next]; first !== undefined && last !== undefined && vma !== undefined; vma = vmas[++next]) {
    if (vma.start !== last.end || !areAlike(first, vma) || vma.end - first.start > MOST_BYTES) break;
    last = vma;
  }
  return next;
}

/** Advice and locks are set afterwards, in each by itself. */
function areAlike(a: VmaEntry, b: VmaEntry): boolean {
  return isPlain(a) && isPlain(b) && ((a.flags ^ b.flags) & ~MAP.MAP_LOCKED) === 0;
}

const isPlain = ({ status, flags }: VmaEntry) => (status & VmaStatus.ANON_PRIVATE) !== 0 && (flags & ALONE) === 0;

function mapNeighbours(inside: Inside, vmas: readonly VmaEntry[], means: Means): void {
  const [first] = vmas;
  const last = vmas.at(-1);
  if (first === undefined || last === undefined) return;
  const protections = vmas.map(means.protectionOf);
  const prot = protectionOfAll(protections);
  map(inside, { vma: first, end: last.end, prot }, means);
  for (const [index, wanted] of protections.entries()) {
    const vma = vmas[index];
    if (wanted !== prot && vma !== undefined)
      inside.later(remote.mprotect(asAddress(vma.start), lengthOf(vma), wanted));
  }
}

/**
 * With which neighbours are made: that of most of them, or of most that may not be written to, if there are such: the kernel accounts memory that
 * could be once, and what was made so shows that ever after ("ac" of smaps).
 */
function protectionOfAll(protections: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const prot of protections) counts.set(prot, (counts.get(prot) ?? 0) + 1);
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([prot]) => prot);
  return byCount.find((prot) => (prot & PROT.PROT_WRITE) === 0) ?? byCount[0] ?? 0;
}

/** `vma`, and what follows it up to `end`. */
function map(
  inside: Inside,
  { vma, end, prot }: { readonly vma: VmaEntry; readonly end: bigint; readonly prot: number },
  { fetch, backing }: Means,
): void {
  const ours = backing(vma);
  const anonymous = ours === undefined;
  // MAP_DROPPABLE is a type of its own, in place of MAP_PRIVATE.
  const type = (vma.flags & MAP.MAP_DROPPABLE) !== 0 ? MAP.MAP_DROPPABLE : MAP.MAP_SHARED | MAP.MAP_PRIVATE;
  const kept = vma.flags & (type | MAP.MAP_GROWSDOWN | MAP.MAP_NORESERVE);
  const huge = (vma.flags & MAP.MAP_HUGETLB) === 0 ? 0 : MAP.MAP_HUGETLB | (vma.flags & HUGE_MASK);
  const flags = kept | MAP.MAP_FIXED_NOREPLACE | (anonymous ? MAP.MAP_ANONYMOUS | huge : 0);
  const fd = anonymous ? NO_TARGET_FD : fetch(ours);
  const call = remote.mmap(asAddress(vma.start), end - vma.start, prot, flags, fd, anonymous ? 0n : vma.pgoff);
  inside.later(expecting(call, BigInt.asIntN(64, vma.start)));
}
