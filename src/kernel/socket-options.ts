// getsockopt(2) and setsockopt(2), by level and name; whole lists of options are read in one step.
import { SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOL_SOCKET, type SocketKind, type SocketOption } from "./abi/socket.js";
import { failureOf, prepared, RepeatedCalls } from "./batch.js";
import { asFd, type Fd } from "./brand.js";
import { type ErrnoName, errno, unless } from "./errno.js";
import { sys } from "./syscalls.js";

/** What the kernel says of an option that a socket of this kind or state does not have. */
const NOT_THERE: ReadonlySet<number> = new Set([
  -errno.ENOPROTOOPT,
  -errno.EOPNOTSUPP,
  -errno.EINVAL,
  -errno.ENOTCONN,
  -errno.EADDRNOTAVAIL,
]);

const lengthWord = (sizeBytes: number) => new Uint8Array(Uint32Array.of(sizeBytes).buffer);
const wordIn = (four: Uint8Array) => new DataView(four.buffer, four.byteOffset).getUint32(0, true);

/** As many bytes as the kernel gives, at most what the option has. */
export function readOption(socket: Fd, { level, name, sizeBytes = 4 }: SocketOption): Uint8Array {
  const value = new Uint8Array(sizeBytes);
  const length = lengthWord(sizeBytes);
  sys.getsockopt(socket, level, name, value, length);
  return value.subarray(0, wordIn(length));
}

/** Lists of options as they were asked for before: most are asked of many sockets. */
const known = new WeakMap<readonly SocketOption[], AskedOptions>();

/** What it gives holds until the same list is asked for again; a list that is asked for often should be one object. */
export function askOptions(socket: Fd, options: readonly SocketOption[]): AskedOptions {
  const asked = known.get(options) ?? new AskedOptions(options);
  known.set(options, asked);
  asked.ask(socket);
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
  readonly isThere: readonly boolean[];
  readonly values: readonly (Uint8Array | undefined)[];
}

/** The calls for a list of options, with room for all their values. */
export class AskedOptions {
  /** The values, each at a multiple of 8, and then their lengths: one thing to clear and to compare. */
  readonly #bytes: Uint8Array;
  readonly #values: readonly Uint8Array[];
  readonly #integers: DataView;
  readonly #usual: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #calls: RepeatedCalls;

  constructor(options: readonly SocketOption[]) {
    const sizes = options.map(({ sizeBytes = 4 }) => sizeBytes);
    const begins: number[] = [];
    let end = 0;
    for (const size of sizes) {
      begins.push(end);
      end += (size + 7) & ~7;
    }
    this.#bytes = new Uint8Array(new ArrayBuffer(end + sizes.length * 4));
    const { buffer } = this.#bytes;
    this.#integers = new DataView(buffer);
    this.#values = sizes.map((size, index) => new Uint8Array(buffer, begins[index], size));
    this.#usual = Uint32Array.from(sizes);
    this.#lengths = new Uint32Array(buffer, end);
    const anyone = asFd(-1);
    this.#calls = new RepeatedCalls(
      options.map(({ level, name }, index) => {
        const length = new Uint8Array(buffer, end + index * 4, 4);
        return prepared.getsockopt(anyone, level, name, this.#values[index] ?? null, length);
      }),
    );
  }

  ask(socket: Fd): void {
    this.#bytes.fill(0);
    this.#lengths.set(this.#usual);
    this.#calls.runFor(socket);
  }

  /** What getsockopt(2) returned: 0, or a negative errno. */
  result(index: number): number {
    return this.#calls.result(index);
  }

  lengthOf(index: number): number {
    return this.#lengths[index] ?? 0;
  }

  /** False: the socket does not have it. Throws SyscallError for other errors. */
  isThere(index: number): boolean {
    const raw = this.#calls.result(index);
    if (raw >= 0) return true;
    const call = this.#calls.calls[index];
    if (call === undefined || NOT_THERE.has(raw)) return false;
    throw failureOf(call, raw);
  }

  value(index: number): Uint8Array | undefined {
    return this.isThere(index) ? this.#values[index]?.subarray(0, this.#lengths[index]) : undefined;
  }

  /** Of an option that has four bytes. */
  integer(index: number): number | undefined {
    return this.isThere(index) ? this.#integers.getInt32(this.#values[index]?.byteOffset ?? 0, true) : undefined;
  }

  copy(): KnownOptions {
    const indexes = [...this.#values.keys()];
    return {
      bytes: this.#bytes.slice(),
      isThere: indexes.map((index) => this.isThere(index)),
      values: indexes.map((index) => this.value(index)?.slice()),
    };
  }

  equals({ bytes, isThere }: KnownOptions): boolean {
    return Buffer.compare(bytes, this.#bytes) === 0 && isThere.every((wanted, index) => this.isThere(index) === wanted);
  }
}

const KIND = [SO_DOMAIN, SO_TYPE, SO_PROTOCOL].map((name) => ({ level: SOL_SOCKET, name }));

export function readSocketKind(socket: Fd): SocketKind {
  const asked = askOptions(socket, KIND);
  return { family: asked.integer(0) ?? 0, type: asked.integer(1) ?? 0, protocol: asked.integer(2) ?? 0 };
}

export const integerIn = (value: Uint8Array): number =>
  new DataView(value.buffer, value.byteOffset, value.byteLength).getInt32(0, true);
export const integerBytes = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

export const readInteger = (socket: Fd, level: number, name: number): number =>
  integerIn(readOption(socket, { level, name }));

export function writeOption(socket: Fd, level: number, name: number, value: Uint8Array): void {
  sys.setsockopt(socket, level, name, value, value.byteLength);
}

export const writeInteger = (socket: Fd, level: number, name: number, value: number): void =>
  writeOption(socket, level, name, integerBytes(value));

/** False: the kernel said no with one of these. */
export const writeUnless = (expected: ErrnoName | readonly ErrnoName[], write: () => void): boolean =>
  unless(expected, () => {
    write();
    return true;
  }) === true;
