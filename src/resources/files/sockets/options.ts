// Options that sockets of every family have: socket(7), SOL_SOCKET.
import { create, isFieldSet } from "@bufbuild/protobuf";
import { type SkOptsEntry, SkOptsEntrySchema } from "../../../images/format/entries.js";
import {
  SO_ATTACH_FILTER,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_BUF_LOCK,
  SO_DONTROUTE,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MARK,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PASSSEC,
  SO_PRIORITY,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDTIMEO,
  SOL_SOCKET,
} from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { addressOf } from "../../../kernel/call.js";
import { i32, i64, struct, u16, u64 } from "../../../kernel/declare/struct.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";

const timeval = struct("__kernel_sock_timeval", 16, { seconds: [0, i64], microseconds: [8, i64] });
const linger = struct("linger", 8, { isOn: [0, i32], seconds: [4, i32] });
const sock_fprog = struct("sock_fprog", 16, { length: [0, u16], filter: [8, u64] });
const IFNAMSIZ = 16;
const FILTER_INSTRUCTION_BYTES = 8;
/** BPF_MAXINSNS of include/uapi/linux/bpf_common.h */
const MOST_INSTRUCTIONS = 4096;

/** Each field of the entry that is one integer or switch, with its option; those of other families are not there. */
const switches = {
  reuseaddr: SO_REUSEADDR,
  soReuseport: SO_REUSEPORT,
  soPasscred: SO_PASSCRED,
  soPasssec: SO_PASSSEC,
  soDontroute: SO_DONTROUTE,
  soNoCheck: SO_NO_CHECK,
  soBroadcast: SO_BROADCAST,
  soKeepalive: SO_KEEPALIVE,
} as const;
const numbers = {
  soPriority: SO_PRIORITY,
  soRcvlowat: SO_RCVLOWAT,
  soMark: SO_MARK,
  soOobinline: SO_OOBINLINE,
} as const;
const keysOf = <T extends object>(table: T) => Object.keys(table) as (keyof T)[];

export function collectSocketOptions(socket: Fd): SkOptsEntry {
  const send = timeval.decode(read(socket, SO_SNDTIMEO, timeval.sizeBytes));
  const receive = timeval.decode(read(socket, SO_RCVTIMEO, timeval.sizeBytes));
  const entry = create(SkOptsEntrySchema, {
    soSndbuf: readNumber(socket, SO_SNDBUF),
    soRcvbuf: readNumber(socket, SO_RCVBUF),
    soSndTmoSec: send.seconds,
    soSndTmoUsec: send.microseconds,
    soRcvTmoSec: receive.seconds,
    soRcvTmoUsec: receive.microseconds,
    soFilter: filterOf(socket),
  });
  for (const key of keysOf(switches)) {
    const value = readIfThere(socket, switches[key]);
    if (value !== undefined) entry[key] = value !== 0;
  }
  for (const key of keysOf(numbers)) {
    const value = readIfThere(socket, numbers[key]);
    if (value !== undefined) entry[key] = value;
  }
  const lingering = linger.decode(read(socket, SO_LINGER, linger.sizeBytes));
  if (lingering.isOn !== 0) entry.soLinger = lingering.seconds;
  const device = boundDevice(socket);
  if (device !== "") entry.soBoundDev = device;
  const locked = readIfThere(socket, SO_BUF_LOCK) ?? 0;
  if (locked !== 0) entry.soBufLock = locked;
  return entry;
}

/** Throws SyscallError for what the kernel does not allow us: a mark without CAP_NET_ADMIN, a device that is gone. */
export function applySocketOptions(socket: Fd, entry: SkOptsEntry): void {
  // The kernel doubles what it is told: socket(7).
  setBuffer(socket, { force: SO_SNDBUFFORCE, plain: SO_SNDBUF }, entry.soSndbuf >> 1);
  setBuffer(socket, { force: SO_RCVBUFFORCE, plain: SO_RCVBUF }, entry.soRcvbuf >> 1);
  writeNumber(socket, SO_BUF_LOCK, entry.soBufLock);
  write(socket, SO_SNDTIMEO, timeval.encode({ seconds: entry.soSndTmoSec, microseconds: entry.soSndTmoUsec }));
  write(socket, SO_RCVTIMEO, timeval.encode({ seconds: entry.soRcvTmoSec, microseconds: entry.soRcvTmoUsec }));
  // Compared, not only set when on: a socket made by accept(2) has some of its listener's.
  for (const key of keysOf(switches)) {
    const isSaved = isFieldSet(entry, SkOptsEntrySchema.field[key]);
    const wanted = Number(entry[key]);
    if (isSaved && readIfThere(socket, switches[key]) !== wanted) writeNumber(socket, switches[key], wanted);
  }
  for (const key of keysOf(numbers)) if (entry[key] !== 0) writeNumber(socket, numbers[key], entry[key]);
  if (isFieldSet(entry, SkOptsEntrySchema.field.soLinger))
    write(socket, SO_LINGER, linger.encode({ isOn: 1, seconds: entry.soLinger }));
  if (entry.soBoundDev !== "") write(socket, SO_BINDTODEVICE, Buffer.from(`${entry.soBoundDev}\0`));
  if (entry.soFilter.length > 0) attachFilter(socket, entry.soFilter);
}

function setBuffer(socket: Fd, option: { readonly force: number; readonly plain: number }, sizeBytes: number): void {
  if (sizeBytes === 0) return;
  const forced = unless("EPERM", () => {
    writeNumber(socket, option.force, sizeBytes);
    return true;
  });
  if (forced !== true) writeNumber(socket, option.plain, sizeBytes);
}

/** SO_GET_FILTER with room for nothing says how long it is. */
function filterOf(socket: Fd): bigint[] {
  const length = new Uint8Array(4);
  const room = new BigUint64Array(MOST_INSTRUCTIONS);
  const view = new DataView(length.buffer);
  view.setUint32(0, MOST_INSTRUCTIONS, true);
  // EACCES: an eBPF program is attached, which cannot be read back.
  sys.getsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(room.buffer), length);
  return [...room.subarray(0, view.getUint32(0, true))];
}

function attachFilter(socket: Fd, instructions: readonly bigint[]): void {
  const filter = new Uint8Array(BigUint64Array.from(instructions).buffer);
  const length = filter.byteLength / FILTER_INSTRUCTION_BYTES;
  write(socket, SO_ATTACH_FILTER, sock_fprog.encode({ length, filter: addressOf(filter) }));
  filter.fill(0); // keeps the buffer alive over the call
}

function boundDevice(socket: Fd): string {
  const name = read(socket, SO_BINDTODEVICE, IFNAMSIZ);
  return Buffer.from(name).toString("latin1").replace(/\0.*$/s, "");
}

function read(socket: Fd, option: number, sizeBytes: number): Uint8Array {
  const value = new Uint8Array(sizeBytes);
  const length = new Uint8Array(Uint32Array.of(sizeBytes).buffer);
  sys.getsockopt(socket, SOL_SOCKET, option, value, length);
  return value;
}

export function readNumber(socket: Fd, option: number): number {
  const value = read(socket, option, 4);
  return new DataView(value.buffer).getInt32(0, true);
}

/** Undefined where a family, or an old kernel, does not have the option. */
function readIfThere(socket: Fd, option: number): number | undefined {
  return unless(["ENOPROTOOPT", "EOPNOTSUPP"], () => readNumber(socket, option));
}

function write(socket: Fd, option: number, value: Uint8Array): void {
  sys.setsockopt(socket, SOL_SOCKET, option, value, value.byteLength);
}

export function writeNumber(socket: Fd, option: number, value: number): void {
  write(socket, option, new Uint8Array(Int32Array.of(value).buffer));
}
