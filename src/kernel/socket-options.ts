// getsockopt(2) and setsockopt(2), by level and name; whole lists of options are read in one step.
import type { SocketOption } from "./abi/socket.js";
import { failureOf, prepared, runTogether } from "./batch.js";
import type { Fd } from "./brand.js";
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

/** Undefined where the socket does not have the option. */
export function readOptions(socket: Fd, options: readonly SocketOption[]): (Uint8Array | undefined)[] {
  const asked = options.map(({ level, name, sizeBytes = 4 }) => {
    const value = new Uint8Array(sizeBytes);
    const length = lengthWord(sizeBytes);
    return { value, length, call: prepared.getsockopt(socket, level, name, value, length) };
  });
  const results = runTogether(asked.map(({ call }) => call));
  return asked.map(({ value, length, call }, index) => {
    const failure = failureOf(call, results[index] ?? 0n);
    if (failure === undefined) return value.subarray(0, wordIn(length));
    if (NOT_THERE.some((name) => failure.number === errno[name])) return undefined;
    throw failure;
  });
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
