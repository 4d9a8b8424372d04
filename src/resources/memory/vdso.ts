// The kernel's own mappings: [vdso] with its code, [vvar] with its data. They cannot be made, only moved: vdso(7).
import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import type { PagesReader } from "../../images/pages/read.js";
import { MAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_BYTES, PAGE_SIZE, PROT } from "../../kernel/abi/mman.js";
import { asAddress, NO_TARGET_FD } from "../../kernel/brand.js";
import { ElfFormatError } from "../../kernel/elf.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { type RemoteCall, remote } from "../../tracee/program.js";
import type { Parked } from "../../tracee/seed.js";
import { freeRoom } from "./room.js";
import { standIn } from "./vdso-stand-in.js";

export const isVdso = ({ status }: VmaEntry) => (status & VmaStatus.AREA_VDSO) !== 0;
export const isVvar = ({ status }: VmaEntry) => (status & VmaStatus.AREA_VVAR) !== 0;
const isCode = ({ path }: Parked) => path === "[vdso]";
const totalOf = (pieces: readonly Parked[]) => pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0n);

/** Most programs of a tree have the same vdso: it is kept once. */
export class SavedVdsos {
  readonly #known: Uint8Array[] = [];

  /** The code of the vdso that the program had; undefined: it had none, or the image does not have it. */
  codeIn(mm: MmEntry, pages: PagesReader): Uint8Array | undefined {
    const code = savedVdso(mm, pages);
    if (code === undefined) return undefined;
    const known = this.#known.find((one) => Buffer.compare(one, code) === 0);
    if (known === undefined) this.#known.push(code);
    return known ?? code;
  }
}

function savedVdso({ vmas }: MmEntry, pages: PagesReader): Uint8Array | undefined {
  const vdso = vmas.find(isVdso);
  if (vdso === undefined || !pages.covers(vdso.start, Number((vdso.end - vdso.start) / PAGE_SIZE))) return undefined;
  const code = new Uint8Array(Number(vdso.end - vdso.start));
  for (const range of pages.all) {
    const end = range.vaddr + BigInt(range.pageCount) * PAGE_SIZE;
    if (range.source !== "file" || end <= vdso.start || range.vaddr >= vdso.end) continue;
    for (let page = 0; page < range.pageCount; page++) {
      const place = range.vaddr + BigInt(page) * PAGE_SIZE - vdso.start;
      if (place < 0n || place >= BigInt(code.length)) continue;
      const room = code.subarray(Number(place), Number(place) + PAGE_BYTES);
      sys.pread64(range.fd, room, PAGE_BYTES, BigInt(range.fileOffset + page * PAGE_BYTES));
    }
  }
  return code;
}

/** What the program had, as far as the image tells. */
export interface OldVdso {
  readonly code: Uint8Array | undefined;
  /** Where its threads go on. */
  readonly instructionPointers: readonly bigint[];
}

/**
 * Moves vdso and vvar from where the seed parked them to where the program knows them; a program without them loses them. When the program's
 * was another kernel's, they go where there is room, and what the program knows leads there.
 */
export function restoreVdso(inside: Inside, mm: MmEntry, parked: readonly Parked[], old: OldVdso): void {
  const vdso = mm.vmas.find(isVdso);
  const ours = parked.find(isCode);
  const current = ours && inside.memory.read(ours.at, Number(ours.lengthBytes));
  const isForeign = current !== undefined && old.code !== undefined && Buffer.compare(current, old.code) !== 0;
  if (vdso === undefined || ours === undefined || !isForeign) {
    for (const piece of parked) inside.later(moveCall(piece, wantedPlace(mm, parked, piece)));
    return;
  }
  if (old.instructionPointers.some((ip) => vdso.start <= ip && ip < vdso.end))
    throw otherVdso("one of its threads was inside of the vdso, which is another kernel's");
  const offset = freeRoom(inside, mm, totalOf(parked)) - (parked[0]?.at ?? 0n);
  inside.run(parked.map((piece) => moveCall(piece, piece.at + offset)));
  mapStandIn(inside, vdso, standInFor(old.code, current, ours.at + offset));
}

function standInFor(old: Uint8Array, current: Uint8Array, at: bigint): Uint8Array {
  try {
    const pages = standIn(old, current, at);
    if (pages !== undefined) return pages;
    throw otherVdso("its vdso is another kernel's, with functions too small to be led to this one's");
  } catch (error) {
    if (error instanceof ElfFormatError) throw otherVdso(`its vdso cannot be understood: ${error.message}`);
    throw error;
  }
}

function mapStandIn(inside: Inside, { start, end, prot }: VmaEntry, pages: Uint8Array): void {
  const at = asAddress(start);
  const flags = MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS | MAP.MAP_FIXED_NOREPLACE;
  inside.sys.mmap(at, end - start, PROT.PROT_READ | PROT.PROT_WRITE, flags, NO_TARGET_FD, 0n);
  inside.memory.write(at, pages);
  inside.sys.mprotect(at, end - start, prot);
}

function moveCall({ at, lengthBytes }: Parked, to: bigint | undefined): RemoteCall {
  if (to === undefined) return remote.munmap(at, lengthBytes);
  return remote.mremap(at, lengthBytes, lengthBytes, MREMAP_MAYMOVE | MREMAP_FIXED, asAddress(to));
}

/** Older images have one vvar entry where newer kernels have several mappings side by side: they are taken as one run. */
function wantedPlace({ vmas }: MmEntry, parked: readonly Parked[], piece: Parked): bigint | undefined {
  const same = vmas.filter(isCode(piece) ? isVdso : isVvar);
  const [first] = same;
  if (first === undefined) return undefined;
  const siblings = parked.filter((other) => isCode(other) === isCode(piece));
  const wanted = same.reduce((sum, { start, end }) => sum + (end - start), 0n);
  if (wanted !== totalOf(siblings)) throw otherVdso("its vdso is another kernel's, and the image does not have it");
  return first.start + totalOf(siblings.slice(0, siblings.indexOf(piece)));
}

export function otherVdso(reason: string): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore on",
    subject: { kind: "host", what: "this kernel" },
    reason,
    remedy: "restore on a machine with the same kernel",
  });
}
