// mmap(2) and what belongs to it: include/uapi/asm-generic/mman-common.h, include/uapi/linux/mman.h
import { flags } from "../declare/flags.js";
import {
  buffer,
  count,
  fd,
  foreignAddress,
  int,
  long,
  newAddress,
  newFd,
  nothing,
  path,
  syscall,
} from "../declare/syscall.js";

export const PAGE_SIZE = 4096n;
export const PAGE_BYTES = 4096;
/** Where the addresses of a program end, with page tables of four levels: arch/x86/include/asm/page_64_types.h. */
export const TASK_SIZE = 0x7ffffffff000n;
export const PROT = flags({ PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4, PROT_GROWSDOWN: 0x01000000 });
export const PROT_NONE = 0;
export const MAP = flags({
  MAP_SHARED: 0x01,
  MAP_PRIVATE: 0x02,
  MAP_DROPPABLE: 0x08,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_32BIT: 0x40,
  MAP_GROWSDOWN: 0x0100,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_NONBLOCK: 0x10000,
  MAP_STACK: 0x20000,
  MAP_HUGETLB: 0x40000,
  MAP_FIXED_NOREPLACE: 0x100000,
});
export const MCL = flags({ MCL_FUTURE: 2, MCL_ONFAULT: 4 });
export const MLOCK_ONFAULT = 1;
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MADV = {
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_DONTNEED: 4,
  MADV_REMOVE: 9,
  MADV_DONTFORK: 10,
  MADV_MERGEABLE: 12,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_WIPEONFORK: 18,
  MADV_GUARD_INSTALL: 102,
} as const;
export const MFD = flags({
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  MFD_HUGETLB: 4,
  MFD_NOEXEC_SEAL: 8,
  MFD_EXEC: 0x10,
});
/** The size of a huge page as its logarithm to the base of two, in the flags of mmap(2), memfd_create(2) and shmget(2). */
export const HUGE_SHIFT = 26;
export const HUGE_MASK = 0x3f << HUGE_SHIFT;

export const mmanCalls = {
  mmap: syscall(
    "mmap",
    9,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
      ["prot", PROT],
      ["flags", MAP],
      ["fd", fd],
      ["offset", long],
    ],
    newAddress,
  ),
  munmap: syscall(
    "munmap",
    11,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
    ],
    nothing,
  ),
  mprotect: syscall(
    "mprotect",
    10,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
      ["prot", PROT],
    ],
    nothing,
  ),
  mremap: syscall(
    "mremap",
    25,
    [
      ["old", foreignAddress],
      ["oldLengthBytes", long],
      ["newLengthBytes", long],
      ["flags", int],
      ["new", foreignAddress],
    ],
    newAddress,
  ),
  madvise: syscall(
    "madvise",
    28,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
      ["advice", int],
    ],
    nothing,
  ),
  mlock2: syscall(
    "mlock2",
    325,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
      ["flags", int],
    ],
    nothing,
  ),
  mlockall: syscall("mlockall", 151, [["flags", MCL]], nothing),
  mincore: syscall(
    "mincore",
    27,
    [
      ["address", foreignAddress],
      ["lengthBytes", long],
      ["to", buffer],
    ],
    nothing,
  ),
  brk: syscall("brk", 12, [["end", foreignAddress]], newAddress),
  memfd_create: syscall(
    "memfd_create",
    319,
    [
      ["name", path],
      ["flags", MFD],
    ],
    newFd,
  ),
  membarrier: syscall(
    "membarrier",
    324,
    [
      ["command", int],
      ["flags", int],
      ["cpu", int],
    ],
    count,
  ),
};
