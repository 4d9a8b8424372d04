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
  type SocketOption,
} from "../../../kernel/abi/socket.js";
import { type AskedOptions, askOptions, type KnownOptions } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { addressOf } from "../../../kernel/call.js";
import { i32, i64, type ShapeOf, struct, u16, u64 } from "../../../kernel/declare/struct.js";
import { errno, unless } from "../../../kernel/errno.js";
import { readInteger, writeInteger, writeOption } from "../../../kernel/socket-options.js";
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
const KEPT = keysOf(kept);
const SWITCHES = keysOf(switches);
const NUMBERS = keysOf({ ...numbers, soSndbuf: SO_SNDBUF, soRcvbuf: SO_RCVBUF });
/** What is asked of a socket. */
export const socketOptions: readonly SocketOption[] = [
  { level: SOL_SOCKET, name: SO_LINGER, sizeBytes: linger.sizeBytes },
  { level: SOL_SOCKET, name: SO_SNDTIMEO, sizeBytes: timeval.sizeBytes },
  { level: SOL_SOCKET, name: SO_RCVTIMEO, sizeBytes: timeval.sizeBytes },
  { level: SOL_SOCKET, name: SO_BINDTODEVICE, sizeBytes: IFNAMSIZ },
  // With room for nothing it says how long it is.
  { level: SOL_SOCKET, name: SO_ATTACH_FILTER, sizeBytes: 0 },
  { level: SOL_SOCKET, name: SO_BUF_LOCK },
  ...SWITCHES.map((key) => ({ level: SOL_SOCKET, name: switches[key] })),
  ...[...Object.values(numbers), SO_SNDBUF, SO_RCVBUF].map((name) => ({ level: SOL_SOCKET, name })),
];
const [LINGER, SEND_TIMEOUT, RECEIVE_TIMEOUT, DEVICE, FILTER, LOCK, FIRST_SWITCH] = [0, 1, 2, 3, 4, 5, 6];
const FIRST_NUMBER = FIRST_SWITCH + SWITCHES.length;
const [SEND_BUFFER, RECEIVE_BUFFER] = [FIRST_SWITCH + KEPT.length, FIRST_SWITCH + KEPT.length + 1];
const COMPARED = [
  ...KEPT,
  ...(["soSndbuf", "soRcvbuf", "soBufLock", "soBoundDev"] as const),
  ...(["soSndTmoSec", "soSndTmoUsec", "soRcvTmoSec", "soRcvTmoUsec"] as const),
];
const nothing = new Uint8Array(timeval.sizeBytes);

/** What sockets of a kind said last, and what that means: most of a program say the same. */
const lastOf = new WeakMap<AskedOptions, { readonly known: KnownOptions; readonly entry: SkOptsEntry }>();

/** `asked`: the answers to `socketOptions`. Nobody may change what this gives. */
export function collectSocketOptions(
  file: OpenFile,
  asked: AskedOptions = askOptions(file.duplicate, socketOptions),
): SkOptsEntry {
  const last = lastOf.get(asked);
  if (last !== undefined && asked.equals(last.known)) return last.entry;
  const entry = entryIn(asked);
  const isProgram = asked.result(FILTER) === -errno.EACCES;
  const instructions = isProgram ? undefined : asked.isThere(FILTER) ? asked.lengthOf(FILTER) : 0;
  if (instructions !== 0) entry.soFilter = filterOf(file, instructions);
  else lastOf.set(asked, { known: asked.copy(), entry });
  return entry;
}

/** What a socket has that was just made. */
export const usualOptions = (socket: Fd): SkOptsEntry => entryIn(askOptions(socket, socketOptions));

/** All but the filter. */
function entryIn(asked: AskedOptions): SkOptsEntry {
  const sendTimeout = timeval.decode(asked.value(SEND_TIMEOUT) ?? nothing);
  const receiveTimeout = timeval.decode(asked.value(RECEIVE_TIMEOUT) ?? nothing);
  const entry = create(SkOptsEntrySchema, {
    soSndTmoSec: sendTimeout.seconds,
    soSndTmoUsec: sendTimeout.microseconds,
    soRcvTmoSec: receiveTimeout.seconds,
    soRcvTmoUsec: receiveTimeout.microseconds,
  });
  for (let index = 0; index < SWITCHES.length; index++) {
    const [key, value] = [SWITCHES[index], asked.integer(FIRST_SWITCH + index)];
    if (key !== undefined && value !== undefined) entry[key] = value !== 0;
  }
  for (let index = 0; index < NUMBERS.length; index++) {
    const [key, value] = [NUMBERS[index], asked.integer(FIRST_NUMBER + index)];
    if (key !== undefined && value !== undefined) entry[key] = value;
  }
  const lock = asked.integer(LOCK);
  if (lock !== undefined && lock !== 0) entry.soBufLock = lock;
  const { isOn, seconds } = linger.decode(asked.value(LINGER) ?? nothing);
  if (isOn !== 0) entry.soLinger = seconds;
  const name = Buffer.from(asked.value(DEVICE) ?? nothing)
    .toString("latin1")
    .replace(/\0.*$/s, "");
  if (name !== "") entry.soBoundDev = name;
  return entry;
}

/** Whether nothing is to be set on a socket that has what `usual` says. */
export function isAsUsual(entry: SkOptsEntry, usual: SkOptsEntry): boolean {
  for (const key of COMPARED) if (entry[key] !== usual[key]) return false;
  return entry.soFilter.length === 0 && !isFieldSet(entry, SkOptsEntrySchema.field.soLinger);
}

/**
 * Sets what is not so yet, which is little for most sockets. Compared, not only set when on: accept(2) gives a socket some of its listener's, and
 * IP_TOS moves SO_PRIORITY. Throws SyscallError for what the kernel does not allow us: a mark without CAP_NET_ADMIN, a device that is gone.
 */
export function applySocketOptions(socket: Fd, entry: SkOptsEntry): void {
  const now = askOptions(socket, socketOptions);
  applyBuffers(socket, entry, now);
  applyTimeout(socket, SO_SNDTIMEO, now.value(SEND_TIMEOUT), {
    seconds: entry.soSndTmoSec,
    microseconds: entry.soSndTmoUsec,
  });
  applyTimeout(socket, SO_RCVTIMEO, now.value(RECEIVE_TIMEOUT), {
    seconds: entry.soRcvTmoSec,
    microseconds: entry.soRcvTmoUsec,
  });
  for (const [index, key] of KEPT.entries()) applyInteger(socket, entry, key, now.integer(FIRST_SWITCH + index));
  if (isFieldSet(entry, SkOptsEntrySchema.field.soLinger))
    write(socket, SO_LINGER, linger.encode({ isOn: 1, seconds: entry.soLinger }));
  if (entry.soBoundDev !== "") write(socket, SO_BINDTODEVICE, Buffer.from(`${entry.soBoundDev}\0`));
  if (entry.soFilter.length > 0) attachFilter(socket, entry.soFilter);
}

/** Setting a size notes that it was set, SO_BUF_LOCK, and so may be to be undone. The kernel doubles what it is told: socket(7). */
function applyBuffers(socket: Fd, { soSndbuf, soRcvbuf, soBufLock }: SkOptsEntry, now: AskedOptions): void {
  const [sendBytes, receiveBytes] = [now.integer(SEND_BUFFER), now.integer(RECEIVE_BUFFER)];
  const isSame = sendBytes === soSndbuf && receiveBytes === soRcvbuf;
  if (isSame && now.integer(LOCK) === soBufLock) return;
  setBuffer(socket, { force: SO_SNDBUFFORCE, plain: SO_SNDBUF }, soSndbuf >> 1);
  setBuffer(socket, { force: SO_RCVBUFFORCE, plain: SO_RCVBUF }, soRcvbuf >> 1);
  writeNumber(socket, SO_BUF_LOCK, soBufLock);
}

function applyTimeout(socket: Fd, option: number, now: Uint8Array | undefined, wanted: ShapeOf<typeof timeval>): void {
  const bytes = timeval.encode(wanted);
  if (now === undefined || Buffer.compare(now, bytes) !== 0) write(socket, option, bytes);
}

function applyInteger(socket: Fd, entry: SkOptsEntry, key: keyof typeof kept, now: number | undefined): void {
  if (!isFieldSet(entry, SkOptsEntrySchema.field[key])) return;
  const wanted = Number(entry[key]);
  if (now !== wanted && (now !== undefined || wanted !== 0)) writeNumber(socket, kept[key], wanted);
}

function setBuffer(socket: Fd, option: { readonly force: number; readonly plain: number }, sizeBytes: number): void {
  if (sizeBytes === 0) return;
  const forced = unless("EPERM", () => {
    writeNumber(socket, option.force, sizeBytes);
    return true;
  });
  if (forced !== true) writeNumber(socket, option.plain, sizeBytes);
}

/** `instructions`: how many there are; undefined: it is an eBPF program. */
function filterOf({ duplicate, subject }: OpenFile, instructions: number | undefined): bigint[] {
  if (instructions === undefined)
    throw refuseFile(
      subject,
      "an eBPF program is attached to it, which cannot be read back",
      "have the program detach it",
    );
  const filter = new BigUint64Array(instructions);
  const length = new Uint8Array(Uint32Array.of(instructions).buffer);
  sys.getsockopt(duplicate, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(filter.buffer), length);
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
