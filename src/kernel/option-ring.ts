// Options of SOL_SOCKET, asked for in a ring: io_uring(7). A step into the kernel takes a microsecond where it guards itself against its processor, an
// entry of the ring a tenth of that. Elsewhere a call takes 0.25 us, and an entry twice as long. The kernel takes no other level there:
// io_uring/cmd_net.c, io_uring_cmd_getsockopt().
import {
  IORING_ENTER_GETEVENTS,
  IORING_OP_URING_CMD,
  IORING_SETUP_NO_MMAP,
  IORING_SETUP_NO_SQARRAY,
  IORING_SETUP_SUBMIT_ALL,
  io_cqring_offsets,
  io_sqring_offsets,
  io_uring_cqe,
  io_uring_params,
  io_uring_sqe,
  SOCKET_URING_OP_GETSOCKOPT,
} from "./abi/io-uring.js";
import { AF_UNIX, SO_TYPE, SOCK, SOL_SOCKET } from "./abi/socket.js";
import { type PreparedCall, prepared, RepeatedCalls } from "./batch.js";
import type { Fd } from "./brand.js";
import { addressOf } from "./call.js";
import { SyscallError, unless } from "./errno.js";
import { type OwnFd, own } from "./own-fd.js";
import { sys } from "./syscalls.js";

const PAGE_BYTES = 4096;
/** As many as a page holds: the kernel wants what it shares with us in one piece. */
export const RING_ENTRIES = PAGE_BYTES / io_uring_sqe.sizeBytes;
const ENTRY_WORDS = io_uring_sqe.sizeBytes / 4;
const FD_WORD = 1;
const DONE_WORDS = io_uring_cqe.sizeBytes / 4;
const RESULT_WORD = 2;

/** A question: where its answer goes, and how much room is there. */
export interface RingQuestion {
  readonly name: number;
  readonly value: Uint8Array;
}

/** Questions as they lie in the ring, at most RING_ENTRIES. The caller keeps the room for their answers. */
export function encodeQuestions(questions: readonly RingQuestion[]): Int32Array {
  const entries = questions.map(({ name, value }, index) =>
    io_uring_sqe.encode({
      ...{ opcode: IORING_OP_URING_CMD, fd: -1, cmd_op: SOCKET_URING_OP_GETSOCKOPT, level: SOL_SOCKET, optname: name },
      ...{ user_data: BigInt(index), optlen: value.byteLength, optval: addressOf(value) },
    }),
  );
  return new Int32Array(new Uint8Array(Buffer.concat(entries)).buffer);
}

/**
 * Of all rings, also of those that are closed: the kernel takes a ring down some time after its descriptor is closed (io_uring/io_uring.c,
 * io_ring_exit_work()). With the memory given back to malloc(3) by then, 7 of 70 processes that closed five rings died of a damaged heap, with it
 * kept none of 200; what writes there is not known.
 */
const rooms: Uint8Array[] = [];

export class OptionRing implements Disposable {
  readonly #ring: OwnFd;
  /** What is to be done. */
  readonly #entries: Int32Array;
  /** Heads, tails, and what was done. */
  readonly #shared: Int32Array;
  /** Indexes into that. */
  readonly #tail: number;
  readonly #doneHead: number;
  readonly #doneTail: number;
  readonly #done: number;
  readonly #doneMask: number;

  /** Throws SyscallError. */
  constructor() {
    const room = new Uint8Array(3 * PAGE_BYTES);
    rooms.push(room);
    const first = PAGE_BYTES - Number(addressOf(room) & BigInt(PAGE_BYTES - 1));
    const page = (index: number) => new Uint8Array(room.buffer, first + index * PAGE_BYTES, PAGE_BYTES);
    const [entries, shared] = [page(0), page(1)];
    const params = io_uring_params.encode({
      flags: IORING_SETUP_NO_MMAP | IORING_SETUP_NO_SQARRAY | IORING_SETUP_SUBMIT_ALL,
      cq_entries: 0,
      sq_off: io_sqring_offsets.encode({ head: 0, tail: 0, user_addr: addressOf(entries) }),
      cq_off: io_cqring_offsets.encode({ head: 0, tail: 0, cqes: 0, user_addr: addressOf(shared) }),
    });
    this.#ring = own(sys.io_uring_setup(RING_ENTRIES, params));
    const { sq_off, cq_off, cq_entries } = io_uring_params.decode(params);
    const done = io_cqring_offsets.decode(cq_off);
    this.#entries = new Int32Array(entries.buffer, entries.byteOffset, PAGE_BYTES / 4);
    this.#shared = new Int32Array(shared.buffer, shared.byteOffset, PAGE_BYTES / 4);
    this.#tail = io_sqring_offsets.decode(sq_off).tail / 4;
    this.#doneHead = done.head / 4;
    this.#doneTail = done.tail / 4;
    this.#done = done.cqes / 4;
    this.#doneMask = cq_entries - 1;
  }

  /** Puts questions to a socket into the ring; `entering` makes them. */
  put(questions: Int32Array, socket: Fd): void {
    const tail = this.#shared[this.#tail] ?? 0;
    const begin = (tail & (RING_ENTRIES - 1)) * ENTRY_WORDS;
    const untilEnd = this.#entries.length - begin;
    if (questions.length <= untilEnd) this.#entries.set(questions, begin);
    else {
      this.#entries.set(questions.subarray(0, untilEnd), begin);
      this.#entries.set(questions.subarray(untilEnd));
    }
    for (let at = 0; at < questions.length; at += ENTRY_WORDS)
      this.#entries[((begin + at) % this.#entries.length) + FD_WORD] = socket;
    this.#shared[this.#tail] = tail + questions.length / ENTRY_WORDS;
  }

  /** The call by which the kernel goes through so many. */
  entering(count: number): PreparedCall {
    return prepared.io_uring_enter(this.#ring.fd, count, count, IORING_ENTER_GETEVENTS, null, 0);
  }

  /**
   * When that has been made, and has returned `entered`: tells of each what the kernel returned, how many bytes the answer has or a negative errno.
   */
  take(count: number, entered: number, tell: (index: number, result: number) => void): void {
    if (entered !== count)
      throw new SyscallError("io_uring_enter", Math.max(0, -entered), [`${entered} of ${count} entries`]);
    const head = this.#shared[this.#doneHead] ?? 0;
    // A signal may have ended it before all were done.
    while ((((this.#shared[this.#doneTail] ?? 0) - head) | 0) < count)
      sys.io_uring_enter(this.#ring.fd, 0, count, IORING_ENTER_GETEVENTS, null, 0);
    for (let one = 0; one < count; one++) {
      const at = this.#done + ((head + one) & this.#doneMask) * DONE_WORDS;
      tell(this.#shared[at] ?? 0, this.#shared[at + RESULT_WORD] ?? 0);
    }
    this.#shared[this.#doneHead] = head + count;
  }

  [Symbol.dispose](): void {
    this.#ring[Symbol.dispose]();
  }
}

/** What has to do without: a kernel before 6.6, /proc/sys/kernel/io_uring_disabled, a filter of seccomp(2), RLIMIT_MEMLOCK. */
const NONE = ["ENOSYS", "EINVAL", "EPERM", "EACCES", "ENOMEM"] as const;
let known: { readonly ring: OptionRing | undefined } | undefined;

/** The one that the whole process uses, for one list of questions after the other; undefined: there can be none, or calls are faster. */
export function optionRing(): OptionRing | undefined {
  known ??= { ring: useful(unless(NONE, () => new OptionRing())) };
  return known.ring;
}

/** Asked for once each, to compare: a socket is asked for about so many. */
const TRIED = 16;
const TRIES = 8;
/** Of an answer. */
const INT_BYTES = 4;

/** Kernel 6.6 has rings, but none that knows of options. And a step into the kernel may take less than what a ring needs for an entry. */
function useful(ring: OptionRing | undefined): OptionRing | undefined {
  if (ring === undefined) return undefined;
  using socket = own(sys.socket(AF_UNIX, SOCK.SOCK_STREAM | SOCK.SOCK_CLOEXEC, 0));
  const answers = Array.from({ length: TRIED }, () => new Uint8Array(INT_BYTES));
  const questions = encodeQuestions(answers.map((value) => ({ name: SO_TYPE, value })));
  const entering = new RepeatedCalls([ring.entering(TRIED)]);
  let answered = 0;
  const inRingMs = shortest(() => {
    answered = 0;
    ring.put(questions, socket.fd);
    entering.run();
    ring.take(TRIED, entering.result(0), (index, result) => {
      if (result === INT_BYTES && answers[index]?.[0] === SOCK.SOCK_STREAM) answered++;
    });
  });
  const length = new Uint8Array(Uint32Array.of(INT_BYTES).buffer);
  const calls = new RepeatedCalls(
    answers.map((value) => prepared.getsockopt(socket.fd, SOL_SOCKET, SO_TYPE, value, length)),
  );
  if (answered === TRIED && inRingMs < shortest(() => calls.run())) return ring;
  ring[Symbol.dispose]();
  return undefined;
}

/** The others may have been interrupted. */
function shortest(work: () => void): number {
  const timesMs = Array.from({ length: TRIES }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
  return Math.min(...timesMs);
}
