// What is written into a new file. Files of hugetlbfs cannot be written to (fs/hugetlbfs/inode.c has no write_iter): theirs goes through a mapping.

import { MAP, PROT } from "../../../kernel/abi/mman.js";
import { asAddress, asPid, type Fd, NULL } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import { TargetMemory } from "../../../tracee/memory.js";
import { hugePageBytes, wholePages } from "../../memory/huge-pages.js";

/** Puts bytes at an offset of the file. */
export type Put = (bytes: Uint8Array, offset: bigint) => void;

/** Calls `use` with a way to fill the file that `fd`, open for reading and writing, stands for. */
export function filling(fd: Fd, sizeBytes: bigint, use: (put: Put) => void): void {
  const pageBytes = hugePageBytes(`/proc/self/fd/${fd}`);
  if (pageBytes === undefined || sizeBytes === 0n) use((bytes, offset) => putAt(fd, bytes, offset));
  else fillMapped(fd, { sizeBytes, pageBytes: BigInt(pageBytes) }, use);
}

function putAt(fd: Fd, bytes: Uint8Array, offset: bigint): void {
  for (let done = 0; done < bytes.byteLength; ) {
    done += sys.pwrite64(fd, bytes.subarray(done), bytes.byteLength - done, offset + BigInt(done));
  }
}

function fillMapped(
  fd: Fd,
  shape: { readonly sizeBytes: bigint; readonly pageBytes: bigint },
  use: (put: Put) => void,
): void {
  sys.ftruncate(fd, shape.sizeBytes);
  const length = wholePages(shape);
  const flags = MAP.MAP_SHARED | MAP.MAP_NORESERVE;
  const at = sys.mmap(NULL, length, PROT.PROT_READ | PROT.PROT_WRITE, flags, fd, 0n);
  try {
    using memory = new TargetMemory(asPid(process.pid));
    use((bytes, offset) => {
      for (const { piece, place } of pieces(bytes, offset, Number(shape.pageBytes))) {
        // It was a hole, or may as well have been one.
        if (piece.every((byte) => byte === 0)) continue;
        if (unless("EIO", () => memory.write(asAddress(at + place), piece) ?? true) === undefined) throw noPages();
      }
    });
  } finally {
    sys.munmap(at, length);
  }
}

function* pieces(bytes: Uint8Array, offset: bigint, pageBytes: number) {
  for (let from = 0; from < bytes.byteLength; from += pageBytes)
    yield { piece: bytes.subarray(from, from + pageBytes), place: offset + BigInt(from) };
}

function noPages(): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: "restore on",
    subject: { kind: "host", what: "this machine" },
    reason: "there are not enough huge pages for a deleted file",
    remedy: "raise vm.nr_hugepages",
  });
}
