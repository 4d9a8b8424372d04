// The pages of a task, from the pages file into its memory: process_vm_writev(2).
//
// By us, while it stands still: a task that reads them itself has a page fault for each, and the kernel does without when it writes for
// somebody else. 64 MiB in 30 ms, one copy more included, against 330 ms in a virtual machine whose page tables are kept by software.
import { Buffer } from "node:buffer";
import type { PageRange } from "../../images/pages/read.js";
import { PAGE_SIZE } from "../../kernel/abi/mman.js";
import { UIO_MAXIOV } from "../../kernel/abi/uio.js";
import type { Fd } from "../../kernel/brand.js";
import { addressOf } from "../../kernel/call.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Tracee } from "../../tracee/tracee.js";

const DOING = "fill the memory of";
const WORD_BYTES = 8;
/** Stays in the processor's cache. */
const BUFFER_BYTES = 256 * 1024;

/** A buffer, and the two vectors of process_vm_writev(2): for all, one at a time. */
interface Desk {
  readonly buffer: Buffer;
  readonly local: BigUint64Array;
  readonly remote: BigUint64Array;
}
let desk: Desk | undefined;

function makeDesk(): Desk {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  return { buffer, local: BigUint64Array.of(addressOf(buffer), 0n), remote: new BigUint64Array(UIO_MAXIOV * 2) };
}

/** Pages that follow each other in one file. */
interface Run {
  readonly fd: Fd;
  readonly fileOffset: number;
  lengthBytes: number;
  /** In so many pieces of memory, which `remote` has. */
  pieces: number;
}

/**
 * Writes the pages of `ranges`, which are in ascending order, into mappings that can be written to. Pages still to be fetched are left out.
 * Throws StasisError when the task is gone or takes less. `moved` is told of bytes that are in place.
 */
export function writePages(task: Tracee, ranges: readonly PageRange[], moved: (bytes: number) => void): void {
  desk ??= makeDesk();
  const { remote } = desk;
  let run: Run | undefined;
  for (const range of ranges) {
    if (range.source !== "file") continue;
    const total = range.pageCount * Number(PAGE_SIZE);
    for (let done = 0; done < total; ) {
      const fileOffset = range.fileOffset + done;
      if (run !== undefined && !continues(run, range.fd, fileOffset)) {
        writeRun(task, run, desk);
        moved(run.lengthBytes);
        run = undefined;
      }
      run ??= { fd: range.fd, fileOffset, lengthBytes: 0, pieces: 0 };
      const lengthBytes = Math.min(total - done, BUFFER_BYTES - run.lengthBytes);
      remote[run.pieces * 2] = range.vaddr + BigInt(done);
      remote[run.pieces * 2 + 1] = BigInt(lengthBytes);
      run.pieces++;
      run.lengthBytes += lengthBytes;
      done += lengthBytes;
    }
  }
  if (run === undefined) return;
  writeRun(task, run, desk);
  moved(run.lengthBytes);
}

const continues = ({ fd, fileOffset, lengthBytes, pieces }: Run, nextFd: Fd, nextOffset: number) =>
  fd === nextFd && fileOffset + lengthBytes === nextOffset && pieces < UIO_MAXIOV && lengthBytes < BUFFER_BYTES;

function writeRun(task: Tracee, { fd, fileOffset, lengthBytes, pieces }: Run, { buffer, local, remote }: Desk): void {
  for (let done = 0; done < lengthBytes; ) {
    const count = sys.pread64(fd, buffer.subarray(done), lengthBytes - done, BigInt(fileOffset + done));
    if (count === 0) throw new RangeError("the pages file ends early");
    done += count;
  }
  local[1] = BigInt(lengthBytes);
  const from = new Uint8Array(local.buffer);
  const to = new Uint8Array(remote.buffer, 0, pieces * 2 * WORD_BYTES);
  const written = unless("ESRCH", () => sys.process_vm_writev(task.pid, from, 1, to, pieces, 0));
  if (written === undefined) throw task.lost(DOING, task.wait());
  if (written !== lengthBytes) throw incomplete(task, lengthBytes, written);
}

function incomplete({ pid, comm }: Tracee, wanted: number, written: number): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: DOING,
    subject: { kind: "process", pid, comm },
    reason: `it took ${written} bytes of ${wanted}: there may be no more memory for it`,
  });
}
