// An address space made again: the mappings, what they hold, their protection and advice. mmap(2), preadv(2), mremap(2).
//
// The task does it itself: descriptors of ours are fetched into it (pidfd_getfd), and preadv(2) copies from the pages file straight
// into its memory. Nothing is copied through the engine.

import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import type { PageRange, PagesReader } from "../../images/pages/read.js";
import { MADV, MAP, PAGE_SIZE, PROT } from "../../kernel/abi/mman.js";
import { UIO_MAXIOV } from "../../kernel/abi/uio.js";
import { asAddress, type Fd, NO_TARGET_FD, type TargetFd } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { expecting, type RemoteCall, remote } from "../../tracee/program.js";

/** Fetches a descriptor of ours into the target: the same one each time for the same descriptor. */
export type Fetch = (ours: Fd) => TargetFd;
/** Our descriptor for the file or shared memory behind a mapping. */
export type Backing = (vma: VmaEntry) => Fd | undefined;

/** preadv(2) copies at most this much a call: MAX_RW_COUNT, rounded down. */
const MOST_BYTES = 0x40000000;
/** How many iovec arrays fit into scratch memory at a time. */
const VECTORS_AT_ONCE = 16;

const is = (vma: VmaEntry, status: number) => (vma.status & status) !== 0;
const KERNELS_OWN = VmaStatus.AREA_VSYSCALL | VmaStatus.AREA_VDSO | VmaStatus.AREA_VVAR;
const lengthOf = (vma: VmaEntry) => vma.end - vma.start;

/** Makes every mapping of `mm` and fills the private ones from `pages`. */
export function restoreMemory(
  inside: Inside,
  mm: MmEntry,
  pages: PagesReader,
  options: { fetch: Fetch; backing: Backing },
): void {
  const vmas = mm.vmas.filter((vma) => !is(vma, KERNELS_OWN | VmaStatus.AREA_GUARD));
  const guards = mm.vmas.filter((vma) => is(vma, VmaStatus.AREA_GUARD));
  const ranges = [...pages.ranges()].filter((range) => !isInKernelsOwn(mm, range));
  const filled = vmasWithPages(vmas, ranges);
  inside.run(vmas.map((vma) => mapCall(vma, filled.has(vma), options)));
  fill(inside, ranges, options.fetch);
  inside.run(vmas.flatMap((vma) => finishCalls(vma, filled.has(vma))));
  inside.run(guards.map((vma) => remote.madvise(asAddress(vma.start), lengthOf(vma), MADV.MADV_GUARD_INSTALL)));
}

function isInKernelsOwn(mm: MmEntry, range: PageRange): boolean {
  return mm.vmas.some((vma) => is(vma, KERNELS_OWN) && vma.start <= range.vaddr && range.vaddr < vma.end);
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

function mapCall(vma: VmaEntry, isFilled: boolean, { fetch, backing }: { fetch: Fetch; backing: Backing }): RemoteCall {
  const ours = backing(vma);
  const anonymous = ours === undefined;
  // MAP_DROPPABLE is a type of its own, in place of MAP_PRIVATE.
  const type = (vma.flags & MAP.MAP_DROPPABLE) !== 0 ? MAP.MAP_DROPPABLE : MAP.MAP_SHARED | MAP.MAP_PRIVATE;
  const kept = vma.flags & (type | MAP.MAP_GROWSDOWN | MAP.MAP_NORESERVE);
  const flags = kept | MAP.MAP_FIXED_NOREPLACE | (anonymous ? MAP.MAP_ANONYMOUS : 0);
  const fd = anonymous ? NO_TARGET_FD : fetch(ours);
  const start = asAddress(vma.start);
  const call = remote.mmap(start, lengthOf(vma), whileFilled(vma, isFilled), flags, fd, anonymous ? 0n : vma.pgoff);
  return expecting(call, BigInt.asIntN(64, vma.start));
}

/** Protection, advice and locks, when the contents are in place. */
function finishCalls(vma: VmaEntry, isFilled: boolean): RemoteCall[] {
  const start = asAddress(vma.start);
  const calls: RemoteCall[] = [];
  if (whileFilled(vma, isFilled) !== vma.prot) calls.push(remote.mprotect(start, lengthOf(vma), vma.prot));
  for (const advice of Object.values(MADV)) {
    if (advice >= 64) continue;
    const given = (vma.madv & (1n << BigInt(advice))) !== 0n;
    if (given) calls.push(remote.madvise(start, lengthOf(vma), advice));
  }
  if ((vma.flags & MAP.MAP_LOCKED) !== 0) calls.push(remote.mlock2(start, lengthOf(vma), 0));
  return calls;
}

/** Ranges that follow each other in one file, for one preadv. */
interface Read {
  readonly fd: Fd;
  readonly fileOffset: number;
  readonly parts: { readonly start: bigint; readonly lengthBytes: number }[];
  lengthBytes: number;
}

function fill(inside: Inside, ranges: readonly PageRange[], fetch: Fetch): void {
  const reads = [...gather(ranges)];
  for (let from = 0; from < reads.length; from += VECTORS_AT_ONCE) {
    const part = reads.slice(from, from + VECTORS_AT_ONCE);
    const vectors = part.map(
      (read) => new BigUint64Array(read.parts.flatMap(({ start, lengthBytes }) => [start, BigInt(lengthBytes)])),
    );
    using room = inside.holding(Buffer.concat(vectors.map((vector) => new Uint8Array(vector.buffer))));
    let at = BigInt(room.at);
    const calls = part.map((read, index) => {
      const call = remote.preadv(fetch(read.fd), asAddress(at), read.parts.length, BigInt(read.fileOffset), 0n);
      at += BigInt(vectors[index]?.byteLength ?? 0);
      return expecting(call, BigInt(read.lengthBytes));
    });
    inside.run(calls);
  }
}

function* gather(ranges: readonly PageRange[]): Generator<Read> {
  let read: Read | undefined;
  for (const range of ranges) {
    if (range.source !== "file") continue;
    let done = 0;
    const total = range.pageCount * Number(PAGE_SIZE);
    while (done < total) {
      const offset = range.fileOffset + done;
      if (read !== undefined && !continues(read, range.fd, offset)) {
        yield read;
        read = undefined;
      }
      read ??= { fd: range.fd, fileOffset: offset, parts: [], lengthBytes: 0 };
      const lengthBytes = Math.min(total - done, MOST_BYTES - read.lengthBytes);
      read.parts.push({ start: range.vaddr + BigInt(done), lengthBytes });
      read.lengthBytes += lengthBytes;
      done += lengthBytes;
    }
  }
  if (read !== undefined) yield read;
}

function continues(read: Read, fd: Fd, offset: number): boolean {
  return (
    read.fd === fd &&
    read.fileOffset + read.lengthBytes === offset &&
    read.parts.length < UIO_MAXIOV &&
    read.lengthBytes < MOST_BYTES
  );
}
