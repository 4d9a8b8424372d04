// Lists of options of a socket, read in one step: those of SOL_SOCKET in a ring where there can be one (option-ring.ts), the others by a list of calls.
import { SOL_SOCKET, type SocketOption } from "./abi/socket.js";
import { failureOf, type PreparedCall, prepared, RepeatedCalls } from "./batch.js";
import { asFd, type Fd } from "./brand.js";
import { CopiedCalls } from "./copied-calls.js";
import { type ErrnoName, errno } from "./errno.js";
import type { ListAt } from "./list-code.js";
import { encodeQuestions, type OptionRing, optionRing, RING_ENTRIES, type RingQuestion } from "./option-ring.js";

/** What the kernel says of an option that a socket of this kind or state does not have. */
const NOT_THERE: ReadonlySet<number> = new Set([
  -errno.ENOPROTOOPT,
  -errno.EOPNOTSUPP,
  -errno.EINVAL,
  -errno.ENOTCONN,
  -errno.EADDRNOTAVAIL,
]);

/** An option, or getsockname(2) in the place of one. */
export type SocketQuestion = SocketOption | { readonly name: "own"; readonly sizeBytes: number };

/** Lists as they were asked for before: most are asked of many sockets. */
const known = new WeakMap<readonly SocketQuestion[], Asking<"only">>();

/** What it gives holds until the same list is asked for again; a list that is asked for often should be one object. */
export function askOptions(socket: Fd, only: readonly SocketQuestion[]): AskedOptions {
  const asking = known.get(only) ?? new Asking({ only }, optionRing());
  known.set(only, asking);
  return asking.ask(socket).only;
}

/** As askOptions: all the values, undefined where the socket does not have the option. */
export function readOptions(socket: Fd, options: readonly SocketOption[]): (Uint8Array | undefined)[] {
  const asked = askOptions(socket, options);
  return options.map((_, index) => asked.value(index));
}

/** What a socket said: to be compared with what another one of its kind says. */
export interface KnownOptions {
  readonly bytes: Uint8Array;
  readonly lengths: Uint8Array;
  readonly results: Uint8Array;
  readonly values: readonly (Uint8Array | undefined)[];
}

const LENGTH_BYTES = 4;

/** Room for all the answers. */
interface Room {
  /** The values and their lengths. */
  readonly all: Uint8Array;
  /** Each value at a multiple of 8. */
  readonly bytes: Uint8Array;
  readonly values: readonly Uint8Array[];
  readonly lengths: Uint32Array;
  /** 0, or a negative errno. */
  readonly results: Int32Array;
}

/** At a time: as many as are looked at together (proc/descriptors.ts). */
const MOST_FORESEEN = 64;

/** Lists, by names, of what sockets are asked for together. */
export class Asking<K extends string> {
  readonly #room: Room;
  /** The room before anything is asked: nothing, and how long each answer may be. */
  readonly #fresh: Uint8Array;
  /** Which of the options are asked for by a call, and which in the ring. */
  readonly #called: readonly number[];
  readonly #ringed: readonly number[];
  /** The last one has the kernel go through the ring. */
  readonly #calls: RepeatedCalls;
  readonly #questions: Int32Array;
  readonly #parts: Readonly<Record<K, AskedOptions>>;

  constructor(
    lists: Readonly<Record<K, readonly SocketQuestion[]>>,
    private readonly ring: OptionRing | undefined,
  ) {
    const options = Object.values<readonly SocketQuestion[]>(lists).flat();
    const room = roomFor(options);
    this.#room = room;
    room.lengths.set(options.map(({ sizeBytes = 4 }) => sizeBytes));
    this.#fresh = room.all.slice();
    const ringed = new Map<number, RingQuestion>();
    const called = new Map<number, PreparedCall>();
    for (const [index, option] of options.entries()) {
      const value = room.values[index] ?? new Uint8Array();
      const length = new Uint8Array(room.lengths.buffer, room.lengths.byteOffset + index * 4, 4);
      const isInRing = ring !== undefined && ringed.size < RING_ENTRIES;
      if (isInRing && option.name !== "own" && option.level === SOL_SOCKET)
        ringed.set(index, { name: option.name, value });
      else called.set(index, callFor(option, value, length));
    }
    this.#ringed = [...ringed.keys()];
    this.#called = [...called.keys()];
    this.#questions = encodeQuestions([...ringed.values()]);
    const entering = ring === undefined || ringed.size === 0 ? [] : [ring.entering(ringed.size)];
    this.#calls = new RepeatedCalls([...called.values(), ...entering]);
    let from = 0;
    const parts: Partial<Record<K, AskedOptions>> = {};
    for (const key in lists) {
      parts[key] = new AskedOptions(room, lists[key], from);
      from += lists[key].length;
    }
    this.#parts = parts as Record<K, AskedOptions>;
  }

  /**
   * Begins to ask some of them at once: lists of calls, which have to be made before they are asked for by `ask`. None where a ring is faster. What they
   * say is theirs until `forget`.
   */
  foresee(sockets: readonly Fd[]): ListAt[] {
    if (this.ring !== undefined) return [];
    this.#copies ??= new CopiedCalls(this.#calls, this.#room.all, MOST_FORESEEN);
    const copies = this.#copies;
    return sockets.slice(0, MOST_FORESEEN - this.#foreseen.size).map((socket) => {
      const copy = this.#foreseen.size;
      this.#foreseen.set(socket, copy);
      return copies.aim(copy, socket, this.#fresh);
    });
  }
  #copies: CopiedCalls | undefined;
  readonly #foreseen = new Map<Fd, number>();

  forget(): void {
    this.#foreseen.clear();
  }

  /** What it gives holds until another socket is asked. */
  ask(socket: Fd): Readonly<Record<K, AskedOptions>> {
    const copy = this.#foreseen.get(socket);
    if (copy === undefined || this.#copies === undefined) this.#askAlone(socket);
    else this.#take(this.#copies, copy);
    return this.#parts;
  }

  #take(copies: CopiedCalls, copy: number): void {
    const { all, results } = this.#room;
    all.set(copies.roomOf(copy));
    for (let call = 0; call < results.length; call++) results[call] = copies.result(copy, call);
  }

  #askAlone(socket: Fd): void {
    const { all, results } = this.#room;
    all.set(this.#fresh);
    for (let call = 0; call < this.#called.length; call++) this.#calls.aim(call, 0, socket);
    this.ring?.put(this.#questions, socket);
    this.#calls.run();
    for (let call = 0; call < this.#called.length; call++) results[this.#called[call] ?? -1] = this.#calls.result(call);
    if (this.#ringed.length > 0)
      this.ring?.take(this.#ringed.length, this.#calls.result(this.#called.length), this.#answer);
  }

  #answer = (question: number, result: number): void => {
    const index = this.#ringed[question] ?? -1;
    const { lengths, results } = this.#room;
    results[index] = Math.min(result, 0);
    if (result >= 0) lengths[index] = result;
  };
}

const callFor = (question: SocketQuestion, value: Uint8Array | null, length: Uint8Array | null): PreparedCall =>
  question.name === "own"
    ? prepared.getsockname(asFd(-1), value, length)
    : prepared.getsockopt(asFd(-1), question.level, question.name, value, length);

function roomFor(options: readonly SocketQuestion[]): Room {
  const sizes = options.map(({ sizeBytes = 4 }) => sizeBytes);
  const begins: number[] = [];
  let end = 0;
  for (const size of sizes) {
    begins.push(end);
    end += (size + 7) & ~7;
  }
  const all = new Uint8Array(new ArrayBuffer(end + sizes.length * LENGTH_BYTES));
  return {
    all,
    bytes: all.subarray(0, end),
    values: sizes.map((size, index) => new Uint8Array(all.buffer, begins[index], size)),
    lengths: new Uint32Array(all.buffer, end, sizes.length),
    results: new Int32Array(sizes.length),
  };
}

/** What a socket said of the options of a list. */
export class AskedOptions {
  readonly #values: readonly Uint8Array[];
  readonly #lengths: Uint32Array;
  readonly #results: Int32Array;
  readonly #integers: DataView;
  /** All of them, to be compared. */
  readonly #all: Pick<KnownOptions, "bytes" | "lengths" | "results">;

  /** `from`: which of the answers is the first one of the list. */
  constructor(
    room: Room,
    readonly options: readonly SocketQuestion[],
    from: number,
  ) {
    const to = from + options.length;
    this.#values = room.values.slice(from, to);
    this.#lengths = room.lengths.subarray(from, to);
    this.#results = room.results.subarray(from, to);
    this.#integers = new DataView(room.all.buffer);
    const begin = room.values[from]?.byteOffset ?? 0;
    const bytes = room.bytes.subarray(begin, room.values[to]?.byteOffset ?? room.bytes.byteLength);
    this.#all = { bytes, lengths: bytesOf(this.#lengths), results: bytesOf(this.#results) };
  }

  /** What getsockopt(2) returned: 0, or a negative errno. */
  result(index: number): number {
    return this.#results[index] ?? 0;
  }

  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  /** False: the socket does not have it. Throws SyscallError for other errors. */
  isThere(index: number): boolean {
    const raw = this.result(index);
    if (raw >= 0) return true;
    const option = this.options[index];
    if (option === undefined || NOT_THERE.has(raw)) return false;
    throw failureOf(callFor(option, null, null), raw);
  }

  value(index: number): Uint8Array | undefined {
    return this.isThere(index) ? this.#values[index]?.subarray(0, this.#lengths[index]) : undefined;
  }

  /** Undefined only for that one error. Throws SyscallError. */
  valueUnless(index: number, expected?: ErrnoName): Uint8Array | undefined {
    const raw = this.result(index);
    if (raw >= 0) return this.#values[index]?.subarray(0, this.#lengths[index]);
    const option = this.options[index];
    if (option === undefined || (expected !== undefined && raw === -errno[expected])) return undefined;
    throw failureOf(callFor(option, null, null), raw);
  }

  /** Of an option that has four bytes, or so many times four. */
  integer(index: number, word = 0): number | undefined {
    if (!this.isThere(index) || this.lengthOf(index) < (word + 1) * 4) return undefined;
    return this.#integers.getInt32((this.#values[index]?.byteOffset ?? 0) + word * 4, true);
  }

  /** Of one that every such socket has. Throws SyscallError. */
  required(index: number): number {
    this.valueUnless(index);
    const value = this.integer(index);
    if (value === undefined) throw new RangeError(`option ${this.options[index]?.name} has less than four bytes`);
    return value;
  }

  copy(): KnownOptions {
    const { bytes, lengths, results } = this.#all;
    return {
      ...{ bytes: bytes.slice(), lengths: lengths.slice(), results: results.slice() },
      values: this.#values.map((_, index) => this.value(index)?.slice()),
    };
  }

  equals({ bytes, lengths, results }: KnownOptions): boolean {
    const all = this.#all;
    return isSame(bytes, all.bytes) && isSame(lengths, all.lengths) && isSame(results, all.results);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);
const isSame = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;
