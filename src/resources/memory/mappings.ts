// Memory mappings of a process: /proc/PID/smaps, proc_pid_smaps(5); status bits and flags as in vma_entry of CRIU's mm.img.
import { create } from "@bufbuild/protobuf";
import { type VmaEntry, VmaEntrySchema } from "../../images/format/entries.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { O, O_RDONLY } from "../../kernel/abi/fcntl.js";
import { MADV, MAP, PROT, TASK_SIZE } from "../../kernel/abi/mman.js";
import { asAddress, type Fd } from "../../kernel/brand.js";
import type { Mapping } from "../../kernel/proc/maps.js";
import { CATEGORY, scanPages, tellsGuardPages } from "../../kernel/proc/pagemap.js";
import { StasisError } from "../../report/error.js";
import { isMemfdLink } from "../files/memfd.js";
import type { DumpContext, DumpedProcess } from "../kind.js";
import { isRing } from "./aio.js";
import { hugePageBytes, hugeSizeFlags } from "./huge-pages.js";
import { linkOf, MappedFiles, mapFilesPath, withMappedFile } from "./mapped-file.js";
import { isShm, Segments } from "./shm.js";

const NO_FD = -1n;

/** smaps' two letters of an madvise(2) that is in effect. */
const adviceOf: Readonly<Record<string, number>> = {
  rr: MADV.MADV_RANDOM,
  sr: MADV.MADV_SEQUENTIAL,
  dc: MADV.MADV_DONTFORK,
  mg: MADV.MADV_MERGEABLE,
  hg: MADV.MADV_HUGEPAGE,
  nh: MADV.MADV_NOHUGEPAGE,
  dd: MADV.MADV_DONTDUMP,
  wf: MADV.MADV_WIPEONFORK,
};

/** smaps' letters of what cannot be carried over, with the reason. */
const unsupported: Readonly<Record<string, string>> = {
  um: "userfaultfd watches it for missing pages",
  uw: "userfaultfd watches it for writes",
  ui: "userfaultfd watches it for minor faults",
  ss: "it is a shadow stack",
  io: "it maps a device",
  pf: "it maps physical memory",
};

/** What a mapping is, before its file is known. */
type Nature = { readonly of: "nothing" | "file" | "segment" | "ring"; readonly status: number };

/** The mappings that can be dumped: seen from outside, before anybody enters the process. The others are refused. */
export function supportedMappings(process: DumpedProcess, context: DumpContext): readonly Mapping[] {
  return process.mappings.filter((mapping) =>
    context.attempt(() => {
      if (!isKernelsOwn(mapping)) refuseUnsupported(process, mapping);
      return true;
    }),
  );
}

const isKernelsOwn = ({ path }: Mapping) => path === "[vsyscall]" || path === "[vdso]" || path.startsWith("[vvar");

/** Precondition: `process` has mappings that are supported, and no others. */
export function collectMappings(process: DumpedProcess, pagemap: Fd, context: DumpContext): VmaEntry[] {
  const mappings = process.mappings.flatMap(
    (mapping) => context.attempt(() => collectMapping(process, mapping, context)) ?? [],
  );
  return [...mappings, ...guardRegions(pagemap)];
}

/** Pages that fault whoever touches them: madvise(2) MADV_GUARD_INSTALL. CRIU lists them behind the mappings that they are in. */
function guardRegions(pagemap: Fd): VmaEntry[] {
  if (!tellsGuardPages(pagemap)) return [];
  const regions = scanPages(pagemap, asAddress(0n), asAddress(TASK_SIZE), { required: CATEGORY.GUARD });
  return [...regions].map(({ start, end }) =>
    create(VmaEntrySchema, {
      ...{ start, end, pgoff: 0n, shmid: 0n, prot: 0, fd: NO_FD },
      flags: MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS,
      status: VmaStatus.AREA_GUARD,
    }),
  );
}

function collectMapping(process: DumpedProcess, mapping: Mapping, context: DumpContext): VmaEntry {
  const nature = natureOf(mapping);
  const entry = create(VmaEntrySchema, {
    start: mapping.start,
    end: mapping.end,
    pgoff: nature.of === "nothing" ? 0n : mapping.offset,
    shmid: 0n,
    prot: protOf(mapping),
    flags: flagsOf(mapping, nature) | hugeFlagsOf(process, mapping),
    status: nature.status,
    fd: NO_FD,
  });
  const madv = adviceIn(mapping.vmFlags);
  if (madv !== 0n) entry.madv = madv;
  if (mapping.vmFlags.has("lf")) entry.lockedOnFault = true;
  if (nature.of !== "nothing") entry.fdflags = howOpened(mapping);
  if (nature.of === "segment") entry.shmid = context.once(Segments).add(process, mapping);
  if (nature.of === "file") registerFile(process, mapping, entry, context);
  return entry;
}

/** A bit for each advice that is in effect. */
function adviceIn(vmFlags: ReadonlySet<string>): bigint {
  let bits = 0n;
  for (const letters in adviceOf) if (vmFlags.has(letters)) bits |= 1n << BigInt(adviceOf[letters] ?? 0);
  return bits;
}

function registerFile(process: DumpedProcess, mapping: Mapping, entry: VmaEntry, context: DumpContext): void {
  const flags = howOpened(mapping);
  const look = () =>
    withMappedFile(process, mapping, (file) => ({ id: context.files.register(file, flags), stat: file.stat }));
  entry.shmid = BigInt(context.once(MappedFiles).idOf(mapping, flags, look));
}

/** A shared mapping that may become writable needs a file opened for writing; "mw" is VM_MAYWRITE. */
const howOpened = ({ shared, vmFlags }: Mapping) => (shared && vmFlags.has("mw") ? O.O_RDWR : O_RDONLY);

function natureOf(mapping: Mapping): Nature {
  const { path } = mapping;
  const regular = VmaStatus.AREA_REGULAR;
  if (path === "[vsyscall]") return { of: "nothing", status: VmaStatus.AREA_VSYSCALL };
  if (path === "[vdso]") return { of: "nothing", status: regular | VmaStatus.AREA_VDSO | VmaStatus.ANON_PRIVATE };
  if (path.startsWith("[vvar"))
    return { of: "nothing", status: regular | VmaStatus.AREA_VVAR | VmaStatus.ANON_PRIVATE };
  // Before anonymous memory: the first segment of a machine is number 0, and so is its inode.
  if (isShm(mapping)) return { of: "segment", status: regular | VmaStatus.ANON_SHARED | VmaStatus.AREA_SYSVIPC };
  if (mapping.inode === 0n || isPrivateHuge(mapping)) {
    const heap = path === "[heap]" ? VmaStatus.AREA_HEAP : 0;
    return { of: "nothing", status: regular | VmaStatus.ANON_PRIVATE | heap };
  }
  if (isRing(mapping)) return { of: "nothing", status: VmaStatus.AREA_AIORING };
  // The id of the socket is known when the descriptors are: PacketSockets.
  if (path.startsWith("socket:")) return { of: "ring", status: regular | VmaStatus.AREA_SOCKET };
  const memfd = isMemfdLink(linkOf(mapping)) ? VmaStatus.AREA_MEMFD : 0;
  return { of: "file", status: regular | memfd | (mapping.shared ? VmaStatus.FILE_SHARED : VmaStatus.FILE_PRIVATE) };
}

/** mmap(MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB) has a file of this name behind it, which nobody else can have: mm/hugetlb.c. */
const isPrivateHuge = ({ shared, path, deleted }: Mapping) => !shared && deleted && path === "/anon_hugepage";

function refuseUnsupported(process: DumpedProcess, mapping: Mapping): void {
  for (const letters in unsupported)
    if (mapping.vmFlags.has(letters)) throw refused(process, mapping, unsupported[letters] ?? letters);
  if (mapping.path.startsWith("anon_inode:"))
    throw refused(process, mapping, `it is memory of ${mapping.path}, which is not supported`);
}

function refused({ pid, comm }: DumpedProcess, { start, end, path }: Mapping, reason: string): StasisError {
  return new StasisError({
    code: "MAPPING_UNSUPPORTED",
    doing: "dump the mapping",
    subject: { kind: "mapping", pid, comm, start, end, path },
    reason,
    remedy: "have the program unmap it before the dump",
  });
}

function protOf({ readable, writable, executable }: Mapping): number {
  return (readable ? PROT.PROT_READ : 0) | (writable ? PROT.PROT_WRITE : 0) | (executable ? PROT.PROT_EXEC : 0);
}

function hugeFlagsOf(process: DumpedProcess, mapping: Mapping): number {
  const pageBytes = mapping.vmFlags.has("ht") ? hugePageBytes(mapFilesPath(process, mapping)) : undefined;
  return pageBytes === undefined ? 0 : MAP.MAP_HUGETLB | hugeSizeFlags(pageBytes);
}

function flagsOf(mapping: Mapping, nature: Nature): number {
  const has = (letters: string, flag: number) => (mapping.vmFlags.has(letters) ? flag : 0);
  return (
    (mapping.shared ? MAP.MAP_SHARED : MAP.MAP_PRIVATE) |
    (nature.of === "file" || nature.of === "ring" ? 0 : MAP.MAP_ANONYMOUS) |
    has("gd", MAP.MAP_GROWSDOWN) |
    has("nr", MAP.MAP_NORESERVE) |
    has("lo", MAP.MAP_LOCKED) |
    has("dp", MAP.MAP_DROPPABLE)
  );
}
