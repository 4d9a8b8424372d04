// Memory that a fork does not inherit, read while the target is frozen: a copy (tracee/deputy.ts) does not have it.
// madvise(2) MADV_DONTFORK, MADV_WIPEONFORK; private huge pages.
import { VmaStatus } from "../../images/format/numbers.js";
import { MADV, MAP } from "../../kernel/abi/mman.js";
import { asAddress, type Fd } from "../../kernel/brand.js";
import type { TargetMemory } from "../../tracee/memory.js";
import type { PackedVmas, SavedVma } from "./packed-vmas.js";
import { type PageRange, pagesToSave } from "./pages.js";

const NOT_INHERITED = (1n << BigInt(MADV.MADV_DONTFORK)) | (1n << BigInt(MADV.MADV_WIPEONFORK));
/** More than this is not held in memory: the target stays frozen instead. */
const MOST_BYTES = 16n << 20n;

/** Who maps huge pages first may take them from a forked child: mm/hugetlb.c, unmap_ref_private(). */
const isPrivateHuge = ({ flags }: SavedVma) => (flags & MAP.MAP_HUGETLB) !== 0 && (flags & MAP.MAP_PRIVATE) !== 0;

interface Piece {
  readonly range: PageRange;
  readonly bytes: Uint8Array;
}
/** The kernel writes to it, in the copy too. */
const isRing = ({ status }: SavedVma) => (status & VmaStatus.AREA_AIORING) !== 0;

/** Page ranges with their contents. */
export class SetAside {
  /** By where their mappings begin. */
  readonly #pieces = new Map<bigint, Piece[]>();

  /** Result: undefined when there is too much of it. */
  static read(vmas: PackedVmas, pagemap: Fd, memory: TargetMemory): SetAside | undefined {
    const aside = new SetAside();
    let total = 0n;
    for (const vma of vmas) {
      if ((vma.madv & NOT_INHERITED) === 0n && !isPrivateHuge(vma) && !isRing(vma)) continue;
      const pieces: Piece[] = [];
      for (const range of pagesToSave(pagemap, [vma])) {
        total += range.end - range.start;
        if (total > MOST_BYTES) return undefined;
        pieces.push({ range, bytes: memory.read(asAddress(range.start), Number(range.end - range.start)) });
      }
      aside.#pieces.set(vma.start, pieces);
    }
    return aside;
  }

  /** The ranges of a mapping that was set aside; undefined for all others. */
  rangesOf({ start }: SavedVma): PageRange[] | undefined {
    return this.#pieces.get(start)?.map(({ range }) => range);
  }

  has(start: bigint): boolean {
    return this.#find(start) !== undefined;
  }

  /** Fills `bytes` with what was at `start`; false: that was not set aside. */
  readInto(start: bigint, bytes: Uint8Array): boolean {
    const found = this.#find(start);
    if (found === undefined) return false;
    const at = Number(start - found.range.start);
    bytes.set(found.bytes.subarray(at, at + bytes.byteLength));
    return true;
  }

  #find(start: bigint): Piece | undefined {
    return [...this.#pieces.values()].flat().find(({ range }) => start >= range.start && start < range.end);
  }
}
