// Datagrams that waited in a socket of UDP, sent to it once more, with the address that they had come from. That is mostly another machine's, so the
// whole packet is made here, raw(7); it never leaves this one: it goes to an address of ours.
import { BlockList } from "node:net";
import { networkInterfaces } from "node:os";
import type { InetSkEntry } from "../../../images/format/entries.js";
import { AF_INET, AF_INET6, IP, IPV6, SOL_IP, SOL_IPV6 } from "../../../kernel/abi/in.js";
import {
  MSG,
  SO_BUF_LOCK,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SOCK,
  SOL_SOCKET,
} from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { encodeAddress, showAddress, unmapped } from "../../../kernel/inet-address.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { Scope } from "../../../kernel/scope.js";
import { readInteger, writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { type Datagram, packetOf } from "../../../kernel/udp-packet.js";
import type { Log } from "../../../report/log.js";
import { sourceOf } from "./inet-entry.js";
import { readNumber, writeNumber } from "./options.js";
import type { QueuedMessage } from "./queues.js";

const FILLING_BYTES = 16 << 20;
const PATIENCE_MS = 1000;
const ANY_PROTOCOL = 255; // IPPROTO_RAW: sends whatever the header says
const LOOPBACK = { v4: Uint8Array.of(127, 0, 0, 1), v6: Uint8Array.from([...new Uint8Array(15), 1]) } as const;

/** Right after the socket has been bound and connected: of several with one address the youngest is found. What does not arrive is told to the log. */
export function deliverAgain(socket: Fd, entry: InetSkEntry, messages: readonly QueuedMessage[], log: Log): void {
  if (messages.length === 0) return;
  const datagrams = messages.flatMap((message) => datagramOf(entry, message));
  const arrived = unless("EPERM", () => withRoom(socket, () => sendAll(socket, datagrams))) ?? 0;
  if (arrived === messages.length) return;
  const lost = `${messages.length - arrived} of ${messages.length} datagrams that waited at ${showAddress(sourceOf(entry))}`;
  log.warn(`${lost} are lost: they cannot be sent to it once more`);
}

/** In their order, until one does not arrive. Result: how many did. Throws SyscallError: EPERM without CAP_NET_RAW. */
function sendAll(socket: Fd, datagrams: readonly Datagram[]): number {
  using scope = new Scope();
  const sockets = new Map<number, Fd>();
  for (const [index, datagram] of datagrams.entries()) {
    const family = familyOf(datagram.destination);
    const raw = sockets.get(family) ?? scope.use(rawSocket(family)).fd;
    sockets.set(family, raw);
    const before = waitingBytes(socket);
    send(raw, datagram);
    if (!hasGrown(socket, before)) return index;
  }
  return datagrams.length;
}

/** The kernel delivers on the spot, unless it hands packets to another processor (RPS). */
function hasGrown(socket: Fd, before: number): boolean {
  const deadline = Date.now() + PATIENCE_MS;
  while (waitingBytes(socket) <= before) {
    if (Date.now() > deadline) return false;
    sys.sched_yield();
  }
  return true;
}

/** What its queue takes of the buffer, also for an empty datagram: SK_MEMINFO_RMEM_ALLOC of include/uapi/linux/sock_diag.h, a word. */
const waitingBytes = (socket: Fd) => readInteger(socket, SOL_SOCKET, SO_MEMINFO);

const familyOf = ({ bytes }: { readonly bytes: Uint8Array }) => (bytes.byteLength === 4 ? AF_INET : AF_INET6);

/** None: CRIU's images do not tell where it came from. */
function datagramOf(entry: InetSkEntry, { entry: { source, destination }, data }: QueuedMessage): Datagram[] {
  if (source === undefined || !LENGTHS.has(source.address.byteLength)) return [];
  const bound = unmapped(sourceOf(entry));
  const isV4 = source.address.byteLength === 4;
  const loopback = isV4 ? LOOPBACK.v4 : LOOPBACK.v6;
  const bytes =
    [destination, bound.bytes].find((address) => address.byteLength === loopback.byteLength && isOurs(address)) ??
    loopback;
  return [
    {
      protocol: entry.proto,
      source: { bytes: source.address, port: source.port, scope: 0 },
      destination: { bytes, port: bound.port, scope: 0 },
      data,
    },
  ];
}

/** Of addresses of IPv4 and IPv6, in bytes. */
const LENGTHS: ReadonlySet<number> = new Set([4, 16]);

/** Whether a packet to this address stays on this machine. */
function isOurs(address: Uint8Array): boolean {
  const ours = new BlockList();
  ours.addSubnet("127.0.0.0", 8);
  for (const { address: text, family } of Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []))
    ours.addAddress(text, family === "IPv4" ? "ipv4" : "ipv6");
  return address.byteLength === 4 ? ours.check(address.join(".")) : ours.check(wordsOf(address).join(":"), "ipv6");
}

const wordsOf = (address: Uint8Array) => Buffer.from(address).toString("hex").match(/.{4}/g) ?? [];

function rawSocket(family: number): OwnFd {
  const raw = own(sys.socket(family, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, ANY_PROTOCOL));
  if (family === AF_INET6) writeInteger(raw.fd, SOL_IPV6, IPV6.HDRINCL, 1);
  else writeInteger(raw.fd, SOL_IP, IP.HDRINCL, 1);
  return raw;
}

function send(raw: Fd, datagram: Datagram): void {
  const packet = packetOf(datagram);
  const to = encodeAddress({ ...datagram.destination, port: 0 });
  sys.sendto(raw, packet, packet.byteLength, MSG.MSG_DONTWAIT, to, to.byteLength);
}

/** Packets over the loopback interface take more of the buffer than they may have taken before. */
function withRoom<T>(socket: Fd, fill: () => T): T {
  const [before, lock] = [SO_RCVBUF, SO_BUF_LOCK].map((option) => readNumber(socket, option));
  unless("EPERM", () => writeNumber(socket, SO_RCVBUFFORCE, FILLING_BYTES));
  try {
    return fill();
  } finally {
    unless("EPERM", () => writeNumber(socket, SO_RCVBUFFORCE, (before ?? 0) >> 1));
    writeNumber(socket, SO_BUF_LOCK, lock ?? 0);
  }
}
