// getsockopt(2) and setsockopt(2), by level and name; whole lists of options are read in one step.
import type { SocketOption } from "./abi/socket.js";
import { failureOf, prepared, RepeatedCalls } from "./batch.js";
import { asFd, type Fd } from "./brand.js";
import { type ErrnoName, errno, unless } from "./errno.js";
import { sys } from "./syscalls.js";

/** What the kernel says of an option that a socket of this kind or state does not have. */
const NOT_THERE = ["ENOPROTOOPT", "EOPNOTSUPP", "EINVAL", "ENOTCONN", "EADDRNOTAVAIL"] as const;

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

/**
 * Undefined where the socket does not have the option. The values hold until the same list is asked for again; a list that is asked for
 * often should be one object.
 */
export function readOptions(socket: Fd, options: readonly SocketOption[]): (Uint8Array | undefined)[] {
  const asked = known.get(options) ?? new AskedOptions(options);
  known.set(options, asked);
  return asked.of(socket);
}

/** The calls for a list of options, with room for all their values. */
class AskedOptions {
  readonly #values: readonly Uint8Array[];
  readonly #usual: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #calls: RepeatedCalls;

  constructor(options: readonly SocketOption[]) {
    this.#values = options.map(({ sizeBytes = 4 }) => new Uint8Array(new ArrayBuffer(sizeBytes)));
    this.#usual = Uint32Array.from(this.#values, (value) => value.byteLength);
    this.#lengths = this.#usual.slice();
    const length = (index: number) => new Uint8Array(this.#lengths.buffer, index * 4, 4);
    const anyone = asFd(-1);
    this.#calls = new RepeatedCalls(
      options.map(({ level, name }, index) =>
        prepared.getsockopt(anyone, level, name, this.#values[index] ?? null, length(index)),
      ),
    );
  }

  of(socket: Fd): (Uint8Array | undefined)[] {
    this.#lengths.set(this.#usual);
    this.#calls.runFor(socket);
    return this.#values.map((value, index) => {
      const raw = this.#calls.result(index);
      if (raw >= 0) return value.subarray(0, this.#lengths[index]);
      const call = this.#calls.calls[index];
      if (call === undefined || NOT_THERE.some((name) => raw === -errno[name])) return undefined;
      throw failureOf(call, raw);
    });
  }
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
