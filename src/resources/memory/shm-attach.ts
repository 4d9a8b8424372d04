// Attachments of System V segments in a task, shmat(2). It attaches a segment as a whole; the program may have unmapped, moved or protected
// parts of it since. So each is attached where there is room, and the parts that the program has are moved to their places.
import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { O, O_ACCMODE } from "../../kernel/abi/fcntl.js";
import { MREMAP_FIXED, MREMAP_MAYMOVE, PROT } from "../../kernel/abi/mman.js";
import { SHMAT } from "../../kernel/abi/shm.js";
import { type Address, asAddress } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { expecting, type RemoteCall, remote } from "../../tracee/program.js";
import { freeRoom } from "./room.js";

export const isShmVma = ({ status }: VmaEntry): boolean => (status & VmaStatus.AREA_SYSVIPC) !== 0;

/** What is left of one attachment. */
interface Attachment {
  readonly id: number;
  readonly parts: VmaEntry[];
}

/** Attaches what the task had attached; everything else of its memory is in place. `lengthOf`: of a segment, in whole pages. */
export function attachSegments(inside: Inside, mm: MmEntry, lengthOf: (id: number) => bigint): void {
  const attachments = attachmentsOf(mm);
  for (const attachment of attachments) {
    const length = lengthOf(attachment.id);
    inside.run(attachCalls(attachment, freeRoom(inside, mm, length), length));
  }
}

/** Parts that the kernel would find with one shmdt(2): those of which the segment begins at the same address. */
function attachmentsOf({ vmas }: MmEntry): Attachment[] {
  const found = new Map<string, Attachment>();
  for (const vma of vmas.filter(isShmVma)) {
    const key = `${vma.shmid} ${vma.start - vma.pgoff}`;
    const attachment = found.get(key) ?? { id: Number(vma.shmid), parts: [] };
    attachment.parts.push(vma);
    found.set(key, attachment);
  }
  return [...found.values()];
}

function attachCalls({ id, parts }: Attachment, room: Address, lengthBytes: bigint): RemoteCall[] {
  const mayWrite = parts.some(({ fdflags = O.O_RDWR }) => (fdflags & O_ACCMODE) === O.O_RDWR);
  const given = PROT.PROT_READ | (mayWrite ? PROT.PROT_WRITE : 0);
  const calls = [expecting(remote.shmat(id, room, mayWrite ? 0 : SHMAT.SHM_RDONLY), room)];
  for (const { start, end, pgoff, prot } of parts) {
    const length = end - start;
    const from = asAddress(room + pgoff);
    const move = remote.mremap(from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, asAddress(start));
    calls.push(expecting(move, start));
    if (prot !== given) calls.push(remote.mprotect(asAddress(start), length, prot));
  }
  return [...calls, remote.munmap(room, lengthBytes)];
}
