// A program with many mappings, for a rehearsal: they are added to the images of one that has few.
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import { VmaEntrySchema } from "../images/format/entries.js";
import { VmaStatus } from "../images/format/numbers.js";
import { MAP, PAGE_SIZE, PROT } from "../kernel/abi/mman.js";
import { type Address, asAddress, type Fd, type Pid } from "../kernel/brand.js";
import { TargetMemory } from "../tracee/memory.js";

/** Far from where the kernel puts programs, libraries and stacks: a restore refuses what is taken already. */
const FIRST = 0x1000_0000n;
const NO_FD = -1n;

/** Adds that many to the root's, of a page each; those of different protection are not merged. Result: where they are. */
export function addMappings(where: Fd, pid: Pid, count: number): Address[] {
  const places = Array.from({ length: count }, (_, index) => asAddress(FIRST + BigInt(index) * PAGE_SIZE));
  ImageDirectory.open(where).images.amend("mm", pid, (mm) => {
    const added = places.map((start, index) =>
      create(VmaEntrySchema, {
        ...{ start, end: start + PAGE_SIZE, pgoff: 0n, shmid: 0n, fd: NO_FD },
        prot: PROT.PROT_READ | PROT.PROT_WRITE | (index % 2 === 0 ? 0 : PROT.PROT_EXEC),
        flags: MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS,
        status: VmaStatus.AREA_REGULAR | VmaStatus.ANON_PRIVATE,
      }),
    );
    mm.vmas = [...mm.vmas, ...added].sort((a, b) => (a.start < b.start ? -1 : 1));
  });
  return places;
}

/** Gives each of them a page. */
export function touchAll(pid: Pid, places: readonly Address[]): void {
  using memory = new TargetMemory(pid);
  const byte = Uint8Array.of(1);
  for (const place of places) memory.write(place, byte);
}
