// The kernel's own mappings: [vdso] with its code, [vvar] with its data. They cannot be made, only moved: vdso(7).

import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { MREMAP_FIXED, MREMAP_MAYMOVE } from "../../kernel/abi/mman.js";
import { asAddress } from "../../kernel/brand.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { type RemoteCall, remote } from "../../tracee/program.js";
import type { Parked } from "../../tracee/seed.js";

/** Moves vdso and vvar from where the seed parked them to where the program knows them; a program without them loses them. */
export function restoreVdso(inside: Inside, mm: MmEntry, parked: readonly Parked[]): void {
  const calls = parked.map((piece) => moveCall(piece, wantedPlace(mm, parked, piece)));
  inside.run(calls);
}

function moveCall({ at, lengthBytes }: Parked, to: bigint | undefined): RemoteCall {
  if (to === undefined) return remote.munmap(at, lengthBytes);
  return remote.mremap(at, lengthBytes, lengthBytes, MREMAP_MAYMOVE | MREMAP_FIXED, asAddress(to));
}

/** Older images have one vvar entry where newer kernels have several mappings side by side: they are taken as one run. */
function wantedPlace(mm: MmEntry, parked: readonly Parked[], piece: Parked): bigint | undefined {
  const wanted = mm.vmas.filter((vma) => (vma.status & (VmaStatus.AREA_VDSO | VmaStatus.AREA_VVAR)) !== 0);
  const isVdso = piece.path === "[vdso]";
  const same = wanted.filter((vma) => ((vma.status & VmaStatus.AREA_VDSO) !== 0) === isVdso);
  const [first] = same;
  if (first === undefined) return undefined;
  const siblings = parked.filter(({ path }) => (path === "[vdso]") === isVdso);
  if (total(same) !== siblings.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0n)) throw otherVdso();
  const before = siblings.slice(0, siblings.indexOf(piece)).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0n);
  return first.start + before;
}

const total = (vmas: readonly VmaEntry[]) => vmas.reduce((sum, { start, end }) => sum + (end - start), 0n);

function otherVdso(): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore on",
    subject: { kind: "host", what: "this kernel" },
    reason: "its vdso differs from that of the kernel where the program was dumped, which is not supported yet",
    remedy: "restore on a machine with the same kernel",
  });
}
