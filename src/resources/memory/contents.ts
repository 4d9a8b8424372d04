// The pages of a task, from the pages file into its memory: process_vm_writev(2).
//
// By us, while it stands still: a task that reads them itself has a page fault for each, and the kernel does without when it writes for
// somebody else. 64 MiB in 30 ms, one copy more included, against 330 ms in a virtual machine whose page tables are kept by software. A second
// thread does half of it: a GiB in 225 ms instead of 400 with two processors.
import { Buffer } from "node:buffer";
import type { PageRange } from "../../images/pages/read.js";
import { PAGE_SIZE } from "../../kernel/abi/mman.js";
import { UIO_MAXIOV } from "../../kernel/abi/uio.js";
import { type PreparedCall, prepared, runShared } from "../../kernel/batch.js";
import type { Fd } from "../../kernel/brand.js";
import { addressOf } from "../../kernel/call.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Tracee } from "../../tracee/tracee.js";

const DOING = "fill the memory of";
const VECTOR_WORDS = 2;
/** Stays in the processor's cache. */
const BUFFER_BYTES = 256 * 1024;
/** How many runs are written between two times that `moved` is told: 32 MiB. */
const RUNS_AT_ONCE = 128;
/** From so many on, a second thread is worth its making. */
const MANY_RUNS = 8;

/** Pages that follow each other in one file, at most BUFFER_BYTES of them. */
interface Run {
  readonly fd: Fd;
  readonly fileOffset: number;
  lengthBytes: number;
  /** Where they go: an address and a length for each piece of memory, as process_vm_writev(2) takes them. */
  readonly remote: bigint[];
}

/** Room for one run. */
let buffers: readonly [Buffer, Buffer] | undefined;

/**
 * Writes the pages of `ranges`, which are in ascending order, into mappings that can be written to. Pages still to be fetched are left out.
 * Throws StasisError when the task is gone or takes less. `moved` is told of bytes that are in place.
 */
export function writePages(task: Tracee, ranges: readonly PageRange[], moved: (bytes: number) => void): void {
  let runs: Run[] = [];
  for (const run of runsOf(ranges)) {
    runs.push(run);
    if (runs.length < RUNS_AT_ONCE) continue;
    moved(writeRuns(task, runs));
    runs = [];
  }
  moved(writeRuns(task, runs));
}

function* runsOf(ranges: readonly PageRange[]): Generator<Run> {
  let run: Run | undefined;
  for (const range of ranges) {
    if (range.source !== "file") continue;
    const total = range.pageCount * Number(PAGE_SIZE);
    for (let done = 0; done < total; ) {
      const fileOffset = range.fileOffset + done;
      if (run !== undefined && !continues(run, range.fd, fileOffset)) {
        yield run;
        run = undefined;
      }
      run ??= { fd: range.fd, fileOffset, lengthBytes: 0, remote: [] };
      const lengthBytes = Math.min(total - done, BUFFER_BYTES - run.lengthBytes);
      run.remote.push(range.vaddr + BigInt(done), BigInt(lengthBytes));
      run.lengthBytes += lengthBytes;
      done += lengthBytes;
    }
  }
  if (run !== undefined) yield run;
}

const continues = ({ fd, fileOffset, lengthBytes, remote }: Run, nextFd: Fd, nextOffset: number) =>
  fd === nextFd &&
  fileOffset + lengthBytes === nextOffset &&
  remote.length < UIO_MAXIOV * VECTOR_WORDS &&
  lengthBytes < BUFFER_BYTES;

/** Result: how many bytes that were. */
function writeRuns(task: Tracee, runs: readonly Run[]): number {
  buffers ??= [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)];
  const [one, other] = buffers;
  const half = runs.length < MANY_RUNS ? runs.length : runs.length >> 1;
  const halves = [
    runs.slice(0, half).flatMap((run) => callsFor(task, run, one)),
    runs.slice(half).flatMap((run) => callsFor(task, run, other)),
  ];
  const results = runShared(halves).flat();
  let bytes = 0;
  for (const [index, run] of runs.entries()) {
    const lengthBytes = BigInt(run.lengthBytes);
    if (results[index * 2] !== lengthBytes || results[index * 2 + 1] !== lengthBytes) writeOne(task, run, one);
    bytes += run.lengthBytes;
  }
  return bytes;
}

function callsFor({ pid }: Tracee, { fd, fileOffset, lengthBytes, remote }: Run, buffer: Buffer): PreparedCall[] {
  const from = bytesOf([addressOf(buffer), BigInt(lengthBytes)]);
  const to = bytesOf(remote);
  return [
    prepared.pread64(fd, buffer, lengthBytes, BigInt(fileOffset)),
    prepared.process_vm_writev(pid, from, 1, to, remote.length / VECTOR_WORDS, 0),
  ];
}

/** Once more what did not go well, step by step. */
function writeOne(task: Tracee, { fd, fileOffset, lengthBytes, remote }: Run, buffer: Buffer): void {
  for (let done = 0; done < lengthBytes; ) {
    const count = sys.pread64(fd, buffer.subarray(done), lengthBytes - done, BigInt(fileOffset + done));
    if (count === 0) throw new RangeError("the pages file ends early");
    done += count;
  }
  const from = bytesOf([addressOf(buffer), BigInt(lengthBytes)]);
  const pieces = remote.length / VECTOR_WORDS;
  const written = unless("ESRCH", () => sys.process_vm_writev(task.pid, from, 1, bytesOf(remote), pieces, 0));
  if (written === undefined) throw task.lost(DOING, task.wait());
  if (written !== lengthBytes) throw incomplete(task, lengthBytes, written);
}

const bytesOf = (words: readonly bigint[]) => new Uint8Array(BigUint64Array.from(words).buffer);

function incomplete({ pid, comm }: Tracee, wanted: number, written: number): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: DOING,
    subject: { kind: "process", pid, comm },
    reason: `it took ${written} bytes of ${wanted}: there may be no more memory for it`,
  });
}
