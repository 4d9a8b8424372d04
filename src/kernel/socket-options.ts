// getsockopt(2) and setsockopt(2), by level and name.
import { SO_DOMAIN, SO_PROTOCOL, SO_TYPE, SOL_SOCKET, type SocketKind, type SocketOption } from "./abi/socket.js";
import { askOptions } from "./asked-options.js";
import type { Fd } from "./brand.js";
import { type ErrnoName, unless } from "./errno.js";
import { sys } from "./syscalls.js";

const lengthWord = (sizeBytes: number) => new Uint8Array(Uint32Array.of(sizeBytes).buffer);
const wordIn = (four: Uint8Array) => new DataView(four.buffer, four.byteOffset).getUint32(0, true);

/** As many bytes as the kernel gives, at most what the option has. */
export function readOption(socket: Fd, { level, name, sizeBytes = 4 }: SocketOption): Uint8Array {
  const value = new Uint8Array(sizeBytes);
  const length = lengthWord(sizeBytes);
  sys.getsockopt(socket, level, name, value, length);
  return value.subarray(0, wordIn(length));
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
