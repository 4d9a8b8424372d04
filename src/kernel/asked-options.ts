// Lists of options of a socket, read in one step: those of SOL_SOCKET in a ring where there can be one (option-ring.ts), the others by a list of calls.
import { SOL_SOCKET, type SocketOption } from "./abi/socket.js";
import { failureOf, prepared, RepeatedCalls } from "./batch.js";
import { asFd, type Fd } from "./brand.js";
import { errno } from "./errno.js";
import { encodeQuestions, type OptionRing, optionRing, RING_ENTRIES } from "./option-ring.js";

/** What the kernel says of an option that a socket of this kind or state does not have. */
const NOT_THERE: ReadonlySet<number> = new Set([
  -errno.ENOPROTOOPT,
  -errno.EOPNOTSUPP,
  -errno.EINVAL,
  -errno.ENOTCONN,
  -errno.EADDRNOTAVAIL,
]);

/** One list or several that are asked together. */
type Lists = readonly (readonly SocketOption[])[];

/** Lists as they were asked for before: most are asked of many sockets. */
const known = new WeakMap<Lists, Asking>();
const alone = new WeakMap<readonly SocketOption[], Lists>();

/** What it gives, a part for each list, holds until the same lists are asked for again. They should be one object each time. */
export function askLists(socket: Fd, lists: Lists): readonly AskedOptions[] {
  const asking = known.get(lists) ?? new Asking(lists, optionRing());
  known.set(lists, asking);
  return asking.ask(socket);
}

/** As askLists, for one list. */
export function askOptions(socket: Fd, options: readonly SocketOption[]): AskedOptions {
  const lists = alone.get(options) ?? [options];
  alone.set(options, lists);
  const [asked] = askLists(socket, lists);
  if (asked === undefined) throw new RangeError("a list without answers");
  return asked;
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

/** Room for all the answers. */
interface Room {
  /** Each value at a multiple of 8. */
  readonly bytes: Uint8Array;
  readonly values: readonly Uint8Array[];
  readonly lengths: Uint32Array;
  /** 0, or a negative errno. */
  readonly results: Int32Array;
}

/** Asks sockets for the options of some lists. */
export class Asking {
  readonly #room: Room;
  readonly #usual: Uint32Array;
  /** Which of the options are asked for by a call, and which in the ring. */
  readonly #called: readonly number[];
  readonly #ringed: readonly number[];
  /** The last one has the kernel go through the ring. */
  readonly #calls: RepeatedCalls;
  readonly #questions: Int32Array;
  readonly #parts: readonly AskedOptions[];

  constructor(
    lists: Lists,
    private readonly ring: OptionRing | undefined,
  ) {
    const options = lists.flat();
    const room = roomFor(options);
    this.#room = room;
    this.#usual = Uint32Array.from(options, ({ sizeBytes = 4 }) => sizeBytes);
    const inRing = [...options.keys()].filter((index) => ring !== undefined && options[index]?.level === SOL_SOCKET);
    this.#ringed = inRing.slice(0, RING_ENTRIES);
    const ringed = new Set(this.#ringed);
    this.#called = [...options.keys()].filter((index) => !ringed.has(index));
    const value = (index: number) => room.values[index] ?? new Uint8Array();
    this.#questions = encodeQuestions(
      this.#ringed.map((index) => ({ name: options[index]?.name ?? 0, value: value(index) })),
    );
    this.#calls = new RepeatedCalls([
      ...this.#called.map((index) => {
        const { level = 0, name = 0 } = options[index] ?? {};
        const length = new Uint8Array(room.lengths.buffer, room.lengths.byteOffset + index * 4, 4);
        return prepared.getsockopt(asFd(-1), level, name, value(index), length);
      }),
      ...(ring === undefined || ringed.size === 0 ? [] : [ring.entering(ringed.size)]),
    ]);
    let from = 0;
    this.#parts = lists.map((list) => {
      const part = new AskedOptions(room, list, from);
      from += list.length;
      return part;
    });
  }

  ask(socket: Fd): readonly AskedOptions[] {
    const { bytes, lengths, results } = this.#room;
    bytes.fill(0);
    lengths.set(this.#usual);
    for (let call = 0; call < this.#called.length; call++) this.#calls.aim(call, 0, socket);
    this.ring?.put(this.#questions, socket);
    this.#calls.run();
    for (let call = 0; call < this.#called.length; call++) results[this.#called[call] ?? -1] = this.#calls.result(call);
    if (this.#ringed.length > 0)
      this.ring?.take(this.#ringed.length, this.#calls.result(this.#called.length), this.#answer);
    return this.#parts;
  }

  #answer = (question: number, result: number): void => {
    const index = this.#ringed[question] ?? -1;
    const { lengths, results } = this.#room;
    results[index] = Math.min(result, 0);
    if (result >= 0) lengths[index] = result;
  };
}

function roomFor(options: readonly SocketOption[]): Room {
  const sizes = options.map(({ sizeBytes = 4 }) => sizeBytes);
  const begins: number[] = [];
  let end = 0;
  for (const size of sizes) {
    begins.push(end);
    end += (size + 7) & ~7;
  }
  const bytes = new Uint8Array(new ArrayBuffer(end));
  return {
    bytes,
    values: sizes.map((size, index) => new Uint8Array(bytes.buffer, begins[index], size)),
    lengths: new Uint32Array(sizes.length),
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
    readonly options: readonly SocketOption[],
    from: number,
  ) {
    const to = from + options.length;
    this.#values = room.values.slice(from, to);
    this.#lengths = room.lengths.subarray(from, to);
    this.#results = room.results.subarray(from, to);
    this.#integers = new DataView(room.bytes.buffer);
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
    throw failureOf(prepared.getsockopt(asFd(-1), option.level, option.name, null, null), raw);
  }

  value(index: number): Uint8Array | undefined {
    return this.isThere(index) ? this.#values[index]?.subarray(0, this.#lengths[index]) : undefined;
  }

  /** Of an option that has four bytes. */
  integer(index: number): number | undefined {
    return this.isThere(index) ? this.#integers.getInt32(this.#values[index]?.byteOffset ?? 0, true) : undefined;
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
