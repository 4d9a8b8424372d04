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
import { integerIn, readInteger, readOptions, writeInteger, writeOption } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import type { OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";

const timeval = struct("__kernel_sock_timeval", 16, { seconds: [0, i64], microseconds: [8, i64] });
const linger = struct("linger", 8, { isOn: [0, i32], seconds: [4, i32] });
const sock_fprog = struct("sock_fprog", 16, { length: [0, u16], filter: [8, u64] });
const IFNAMSIZ = 16;
const FILTER_INSTRUCTION_BYTES = 8;

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

const kept = { ...switches, ...numbers } as const;
const KEPT = keysOf(kept).map((key) => ({ level: SOL_SOCKET, name: kept[key] }));
const integers = { ...switches, ...numbers, soSndbuf: SO_SNDBUF, soRcvbuf: SO_RCVBUF, soBufLock: SO_BUF_LOCK } as const;
const ASKED = [
  { level: SOL_SOCKET, name: SO_LINGER, sizeBytes: linger.sizeBytes },
  { level: SOL_SOCKET, name: SO_SNDTIMEO, sizeBytes: timeval.sizeBytes },
  { level: SOL_SOCKET, name: SO_RCVTIMEO, sizeBytes: timeval.sizeBytes },
  { level: SOL_SOCKET, name: SO_BINDTODEVICE, sizeBytes: IFNAMSIZ },
  ...keysOf(integers).map((key) => ({ level: SOL_SOCKET, name: integers[key] })),
];
const nothing = new Uint8Array(timeval.sizeBytes);

export function collectSocketOptions(file: OpenFile): SkOptsEntry {
  const [lingering = nothing, send = nothing, receive = nothing, device = nothing, ...values] = readOptions(
    file.duplicate,
    ASKED,
  );
  const sendTimeout = timeval.decode(send);
  const receiveTimeout = timeval.decode(receive);
  const entry = create(SkOptsEntrySchema, {
    soSndTmoSec: sendTimeout.seconds,
    soSndTmoUsec: sendTimeout.microseconds,
    soRcvTmoSec: receiveTimeout.seconds,
    soRcvTmoUsec: receiveTimeout.microseconds,
    soFilter: filterOf(file),
  });
  for (const [index, key] of keysOf(integers).entries()) {
    const value = values[index];
    if (value !== undefined) setInteger(entry, key, integerIn(value));
  }
  const { isOn, seconds } = linger.decode(lingering);
  if (isOn !== 0) entry.soLinger = seconds;
  const name = Buffer.from(device).toString("latin1").replace(/\0.*$/s, "");
  if (name !== "") entry.soBoundDev = name;
  return entry;
}

function setInteger(entry: SkOptsEntry, key: keyof typeof integers, value: number): void {
  if (key in switches) entry[key as keyof typeof switches] = value !== 0;
  else if (key !== "soBufLock" || value !== 0) entry[key as Exclude<typeof key, keyof typeof switches>] = value;
}

/** Throws SyscallError for what the kernel does not allow us: a mark without CAP_NET_ADMIN, a device that is gone. */
export function applySocketOptions(socket: Fd, entry: SkOptsEntry): void {
  // The kernel doubles what it is told: socket(7).
  setBuffer(socket, { force: SO_SNDBUFFORCE, plain: SO_SNDBUF }, entry.soSndbuf >> 1);
  setBuffer(socket, { force: SO_RCVBUFFORCE, plain: SO_RCVBUF }, entry.soRcvbuf >> 1);
  writeNumber(socket, SO_BUF_LOCK, entry.soBufLock);
  write(socket, SO_SNDTIMEO, timeval.encode({ seconds: entry.soSndTmoSec, microseconds: entry.soSndTmoUsec }));
  write(socket, SO_RCVTIMEO, timeval.encode({ seconds: entry.soRcvTmoSec, microseconds: entry.soRcvTmoUsec }));
  applyIntegers(socket, entry);
  if (isFieldSet(entry, SkOptsEntrySchema.field.soLinger))
    write(socket, SO_LINGER, linger.encode({ isOn: 1, seconds: entry.soLinger }));
  if (entry.soBoundDev !== "") write(socket, SO_BINDTODEVICE, Buffer.from(`${entry.soBoundDev}\0`));
  if (entry.soFilter.length > 0) attachFilter(socket, entry.soFilter);
}

/** Compared, not only set when on: accept(2) gives a socket some of its listener's, and IP_TOS moves SO_PRIORITY. */
function applyIntegers(socket: Fd, entry: SkOptsEntry): void {
  const now = readOptions(socket, KEPT);
  for (const [index, key] of keysOf(kept).entries()) {
    if (!isFieldSet(entry, SkOptsEntrySchema.field[key])) continue;
    const value = now[index];
    const wanted = Number(entry[key]);
    const isSame = value !== undefined && integerIn(value) === wanted;
    if (!isSame && (value !== undefined || wanted !== 0)) writeNumber(socket, kept[key], wanted);
  }
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
function filterOf({ duplicate, subject }: OpenFile): bigint[] {
  const length = new Uint8Array(4);
  const view = new DataView(length.buffer);
  const get = (room: Uint8Array | null) =>
    unless("EACCES", () => {
      sys.getsockopt(duplicate, SOL_SOCKET, SO_ATTACH_FILTER, room, length);
      return view.getUint32(0, true);
    });
  const instructions = get(null);
  if (instructions === undefined)
    throw refuseFile(
      subject,
      "an eBPF program is attached to it, which cannot be read back",
      "have the program detach it",
    );
  if (instructions === 0) return [];
  const filter = new BigUint64Array(instructions);
  get(new Uint8Array(filter.buffer));
  return [...filter];
}

function attachFilter(socket: Fd, instructions: readonly bigint[]): void {
  const filter = new Uint8Array(BigUint64Array.from(instructions).buffer);
  const length = filter.byteLength / FILTER_INSTRUCTION_BYTES;
  write(socket, SO_ATTACH_FILTER, sock_fprog.encode({ length, filter: addressOf(filter) }));
  filter.fill(0); // keeps the buffer alive over the call
}

export const readNumber = (socket: Fd, option: number): number => readInteger(socket, SOL_SOCKET, option);

const write = (socket: Fd, option: number, value: Uint8Array): void => writeOption(socket, SOL_SOCKET, option, value);

export const writeNumber = (socket: Fd, option: number, value: number): void =>
  writeInteger(socket, SOL_SOCKET, option, value);
