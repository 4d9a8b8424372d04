// Many mappings for the program of a rehearsal. It makes none itself: they are added to its images, and it has them when it is restored from there.
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import { VmaEntrySchema } from "../images/format/entries.js";
import { VmaStatus } from "../images/format/numbers.js";
import { MAP, PAGE_SIZE, PROT } from "../kernel/abi/mman.js";
import type { Fd, Pid } from "../kernel/brand.js";

const COUNT = 200;
/** 1 TiB: programs begin below 4 MiB or far above, what they map later comes from the top. */
const FIRST = 1n << 40n;
const READ_WRITE = PROT.PROT_READ | PROT.PROT_WRITE;

/** Adds pages of no content to a task's images; each other one may be executed, or the kernel would make one mapping of them. */
export function addMappings(directory: Fd, pid: Pid): void {
  const images = ImageDirectory.at(directory);
  images.amend("mm", pid, ({ vmas }) => {
    for (let index = 0; index < COUNT; index++) vmas.push(mappingAt(FIRST + BigInt(index) * PAGE_SIZE, index));
    vmas.sort((a, b) => (a.start < b.start ? -1 : 1));
  });
}

const mappingAt = (start: bigint, index: number) =>
  create(VmaEntrySchema, {
    ...{ start, end: start + PAGE_SIZE, pgoff: 0n, shmid: 0n, fd: -1n },
    prot: index % 2 === 0 ? READ_WRITE : READ_WRITE | PROT.PROT_EXEC,
    flags: MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS,
    status: VmaStatus.AREA_REGULAR | VmaStatus.ANON_PRIVATE,
  });
