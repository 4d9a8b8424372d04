// Shared memory made again in our own process, with its contents: tasks fetch it from there as a file, or attach it.
import type { ImageDirectory } from "../../images/directory.js";
import { O } from "../../kernel/abi/fcntl.js";
import { MAP, PAGE_SIZE, PROT } from "../../kernel/abi/mman.js";
import { type Address, AT_FDCWD, asAddress, type Fd, NO_FD, NULL } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import { hugeMapFlags, type Shape, wholePages } from "./huge-pages.js";

/** preadv(2) copies at most this much a call: MAX_RW_COUNT, rounded down. */
const MOST_BYTES = 0x40000000;

/** The object behind a shared anonymous mapping: the kernel makes it, /proc/self/map_files gives a descriptor for it. */
export function makeAnonymousObject(shape: Shape): Fd {
  const length = wholePages(shape);
  const flags = MAP.MAP_SHARED | MAP.MAP_ANONYMOUS | MAP.MAP_NORESERVE | hugeMapFlags(shape);
  const at = sys.mmap(NULL, length, PROT.PROT_READ | PROT.PROT_WRITE, flags, NO_FD, 0n);
  try {
    const name = `${at.toString(16)}-${(at + length).toString(16)}`;
    return sys.openat(AT_FDCWD, `/proc/self/map_files/${name}`, O.O_RDWR | O.O_CLOEXEC, 0);
  } finally {
    sys.munmap(at, length);
  }
}

/** Fills the object behind a descriptor, through a mapping: files of hugetlbfs cannot be written to. */
export function fillObject(images: ImageDirectory, id: bigint, file: Fd, shape: Shape): void {
  if (shape.sizeBytes === 0n) return;
  const length = wholePages(shape);
  const prot = PROT.PROT_READ | PROT.PROT_WRITE;
  const at = sys.mmap(NULL, length, prot, MAP.MAP_SHARED | MAP.MAP_NORESERVE, file, 0n);
  try {
    fillMapped(images, id, { at, lengthBytes: length });
  } finally {
    sys.munmap(at, length);
  }
}

/** Fills an object that is mapped in our own memory as a whole. Throws StasisError when the image has pages that it does not. */
export function fillMapped(
  images: ImageDirectory,
  id: bigint,
  room: { readonly at: Address; readonly lengthBytes: bigint },
): void {
  using pages = images.pagesReader("pagemap-shmem", id);
  for (const range of pages.ranges()) {
    const lengthBytes = BigInt(range.pageCount) * PAGE_SIZE;
    if (range.vaddr + lengthBytes > room.lengthBytes) throw beyond(id, room.lengthBytes);
    if (range.source !== "file") continue;
    readInto(asAddress(room.at + range.vaddr), lengthBytes, { fd: range.fd, offset: BigInt(range.fileOffset) });
  }
}

/** From a file straight to an address of ours. */
function readInto(to: Address, lengthBytes: bigint, from: { readonly fd: Fd; readonly offset: bigint }): void {
  for (let done = 0n; done < lengthBytes; ) {
    const left = lengthBytes - done;
    const vector = BigUint64Array.of(to + done, left < BigInt(MOST_BYTES) ? left : BigInt(MOST_BYTES));
    const bytes = new Uint8Array(vector.buffer);
    const count = unless("EFAULT", () => sys.preadv(from.fd, bytes, 1, from.offset + done, 0n));
    if (count === undefined) throw noPages();
    if (count === 0) throw new RangeError("the pages file ends early");
    done += BigInt(count);
  }
}

function beyond(id: bigint, lengthBytes: bigint): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: `pagemap-shmem-${id}.img` },
    reason: `it has pages beyond the ${lengthBytes} bytes of the object`,
  });
}

function noPages(): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: "restore on",
    subject: { kind: "host", what: "this machine" },
    reason: "there are not enough pages for shared memory (huge pages, or the room in a control group)",
    remedy: "raise vm.nr_hugepages, or the limit of memory",
  });
}
