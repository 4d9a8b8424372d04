// Contexts of asynchronous I/O, io_setup(2): a ring of finished requests that is mapped in the task, and what the kernel keeps of it (fs/aio.c).
//
// A context is known by the address of its ring. The kernel keeps the ring's tail for itself, so on a restore a new context is given as many
// requests as it takes to move it there; then the events are put back, and the ring moves to its old address.
import { create } from "@bufbuild/protobuf";
import { type AioRingEntry, AioRingEntrySchema, type MmEntry } from "../../images/format/entries.js";
import { AIO_RING_MAGIC, aio_ring, IO_EVENT_BYTES, IOCB_CMD_PWRITE, iocb } from "../../kernel/abi/aio.js";
import { O } from "../../kernel/abi/fcntl.js";
import { MREMAP_FIXED, MREMAP_MAYMOVE } from "../../kernel/abi/mman.js";
import { timespec } from "../../kernel/abi/time.js";
import { type Address, asAddress, NO_TARGET_FD, NULL, type TargetFd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import type { Mapping } from "../../kernel/proc/maps.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import type { TargetMemory } from "../../tracee/memory.js";
import type { DumpedProcess } from "../kind.js";
import { devicesOf, isBusy } from "./block-devices.js";

export const isRing = ({ path, deleted }: Mapping): boolean => path === "/[aio]" && deleted;

/**
 * How long no request may have finished before a ring is taken to be at rest: the kernel does not tell of requests under way. Each device of the
 * process must have been seen without any, too, since a slow one may take longer for the next.
 */
const QUIET_NS = 50_000_000n;
const STEP_NS = 5_000_000n;
const PATIENCE_NS = 10_000_000_000n;
const REQUESTS_AT_ONCE = 1024;
const HEAD_OFFSET = 8n;

/** The contexts of a process; waits for requests that are about to finish. */
export function collectRings(process: DumpedProcess, inside: Inside): AioRingEntry[] {
  const rings = process.mappings.filter(isRing).filter(({ start }) => isContext(inside, start));
  if (rings.length > 0) awaitQuiet(process, rings);
  return rings.map(({ start, end }) => {
    const ringLen = Number(end - start);
    return create(AioRingEntrySchema, { id: start, ringLen, nrReq: requestsOf(ringLen) });
  });
}

/** A child has its parent's ring mapped, but not the context. */
const isContext = (inside: Inside, at: Address) =>
  unless("EINVAL", () => inside.sys.io_getevents(at, 0, 0, NULL, NULL)) !== undefined;

/** io_setup(2) doubles what it is asked for, adds two and fills whole pages: ioctx_alloc(), aio_setup_ring(). */
const requestsOf = (ringBytes: number) => Math.floor(((ringBytes - aio_ring.sizeBytes) / IO_EVENT_BYTES - 2) / 2);

function awaitQuiet(process: DumpedProcess, rings: readonly Mapping[]): void {
  const tails = () => rings.map(({ start }) => readRing(process.memory, start).tail).join();
  const step = timespec.encode({ tv_sec: 0n, tv_nsec: STEP_NS });
  const busy = devicesOf(process.living);
  let before = tails();
  for (let quietNs = 0n, waitedNs = 0n; quietNs < QUIET_NS || busy.size > 0; quietNs += STEP_NS, waitedNs += STEP_NS) {
    if (waitedNs > PATIENCE_NS) throw neverQuiet(process);
    for (const device of busy) if (!isBusy(device)) busy.delete(device);
    sys.nanosleep(step, null);
    const now = tails();
    if (now !== before) quietNs = -STEP_NS;
    before = now;
  }
}

function neverQuiet({ pid, comm }: DumpedProcess): StasisError {
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: "requests of its asynchronous I/O may still be under way: its devices have not been idle for 10 s",
    remedy: "try again when there is less to be read and written",
  });
}

const readRing = (memory: TargetMemory, at: Address) => aio_ring.decode(memory.read(at, aio_ring.sizeBytes));

/** Makes the contexts; where their rings will be, the contents of these are in place. */
export function restoreRings(inside: Inside, { aios }: MmEntry): void {
  if (aios.length === 0) return;
  using path = inside.text("/dev/null");
  const nowhere = inside.sys.openat(NO_TARGET_FD, path.at, O.O_WRONLY, 0);
  for (const ring of aios) restoreRing(inside, ring, nowhere);
  inside.sys.close(nowhere);
}

function restoreRing(inside: Inside, { id, ringLen, nrReq }: AioRingEntry, nowhere: TargetFd): void {
  const { memory } = inside;
  const place = asAddress(id);
  const wanted = readRing(memory, place);
  if (wanted.magic !== AIO_RING_MAGIC || wanted.head >= wanted.nr || wanted.tail >= wanted.nr)
    throw broken(`what is at 0x${id.toString(16)} is no ring of asynchronous I/O`);
  const at = setUp(inside, nrReq);
  const made = readRing(memory, at);
  if (made.nr !== wanted.nr) throw otherSize(made.nr, wanted.nr);
  turn(inside, { at, nowhere, ...wanted });
  const events = wanted.nr * IO_EVENT_BYTES;
  const from = BigInt(aio_ring.sizeBytes);
  memory.write(asAddress(at + from), memory.read(asAddress(place + from), events));
  inside.sys.mremap(at, BigInt(ringLen), BigInt(ringLen), MREMAP_MAYMOVE | MREMAP_FIXED, place);
}

function setUp(inside: Inside, requests: number): Address {
  inside.flush();
  using room = inside.holding(new Uint8Array(8));
  if (unless("EAGAIN", () => inside.sys.io_setup(requests, room.at) ?? true) === undefined) throw tooMany(requests);
  return asAddress(inside.memory.readU64(room.at));
}

/**
 * Lets requests of nothing finish until the ring stands as it did. What the program had taken is taken by moving the head, as io_getevents(2)
 * would; unread events are left unread, so that the kernel counts them right.
 */
function turn(
  inside: Inside,
  ring: {
    readonly at: Address;
    readonly nowhere: TargetFd;
    readonly nr: number;
    readonly head: number;
    readonly tail: number;
  },
): void {
  const { at, nowhere, nr, head, tail } = ring;
  const total = tail < head ? nr + tail : tail;
  using request = inside.holding(new Uint8Array(iocb.sizeBytes));
  using list = inside.holding(new Uint8Array(new BigUint64Array(REQUESTS_AT_ONCE).fill(request.at).buffer));
  const nothing = {
    aio_data: 0n,
    aio_lio_opcode: IOCB_CMD_PWRITE,
    aio_buf: request.at,
    aio_nbytes: 1n,
    aio_offset: 0n,
  };
  inside.memory.write(request.at, iocb.encode({ ...nothing, aio_fildes: nowhere }));
  for (let done = 0; done < total; ) {
    done += inside.sys.io_submit(at, Math.min(REQUESTS_AT_ONCE, total - done), list.at);
    inside.memory.write(asAddress(at + HEAD_OFFSET), new Uint8Array(Uint32Array.of(Math.min(done, head)).buffer));
  }
}

function broken(reason: string): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "mm.img" },
    reason,
  });
}

function otherSize(made: number, wanted: number): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore on",
    subject: { kind: "host", what: "this machine" },
    reason: `a ring of asynchronous I/O has room for ${made} events here, and had ${wanted}: the kernel makes it larger for more processors`,
    remedy: "restore on a machine with as many processors",
  });
}

function tooMany(requests: number): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore on",
    subject: { kind: "host", what: "this machine" },
    reason: `it has no room for ${requests} more requests of asynchronous I/O`,
    remedy: "raise the sysctl fs.aio-max-nr",
  });
}
