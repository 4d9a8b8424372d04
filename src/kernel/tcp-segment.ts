// A TCP segment without data that nobody sent: put on the wire by a raw socket, raw(7), with IP_HDRINCL. RFC 791, 8200, 9293.
import { AF_INET, AF_INET6, IPPROTO } from "./abi/in.js";
import { SO_MARK, SOCK, SOL_SOCKET } from "./abi/socket.js";
import { encodeAddress, type InetAddress } from "./inet-address.js";
import { own } from "./own-fd.js";
import { writeInteger } from "./socket-options.js";
import { sys } from "./syscalls.js";

export const TH = { FIN: 1, ACK: 0x10 } as const;
export interface Segment {
  readonly from: InetAddress;
  readonly to: InetAddress;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  readonly window: number;
}

const TCP_BYTES = 20;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const HOPS = 64;

/** From another host's address too. Both addresses are of one family, mapped ones are written as IPv4. */
export function sendSegment(segment: Segment, mark: number): void {
  const isV6 = segment.to.bytes.byteLength === 16;
  using raw = own(sys.socket(isV6 ? AF_INET6 : AF_INET, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, IPPROTO.RAW));
  writeInteger(raw.fd, SOL_SOCKET, SO_MARK, mark);
  const packet = encodePacket(segment);
  const to = encodeAddress({ ...segment.to, port: 0 });
  sys.sendto(raw.fd, packet, packet.byteLength, 0, to, to.byteLength);
}

/** The whole packet; the kernel fills in the checksum of an IPv4 head. */
export function encodePacket(segment: Segment): Uint8Array {
  const { from, to } = segment;
  const tcp = tcpHead(segment);
  const sum = checksum([from.bytes, to.bytes, Uint8Array.of(0, IPPROTO.TCP, 0, TCP_BYTES), tcp]);
  new DataView(tcp.buffer).setUint16(16, sum);
  return Buffer.concat([from.bytes.byteLength === 4 ? ipv4Head(segment) : ipv6Head(segment), tcp]);
}

function tcpHead({ from, to, sequence, acknowledged, flags, window }: Segment): Uint8Array {
  const head = new DataView(new ArrayBuffer(TCP_BYTES));
  head.setUint16(0, from.port);
  head.setUint16(2, to.port);
  head.setUint32(4, sequence);
  head.setUint32(8, acknowledged);
  head.setUint8(12, (TCP_BYTES / 4) << 4);
  head.setUint8(13, flags);
  head.setUint16(14, window);
  return new Uint8Array(head.buffer);
}

function ipv4Head({ from, to }: Segment): Uint8Array {
  const head = new Uint8Array(IPV4_BYTES);
  const view = new DataView(head.buffer);
  head[0] = 0x45;
  view.setUint16(2, IPV4_BYTES + TCP_BYTES);
  head[8] = HOPS;
  head[9] = IPPROTO.TCP;
  head.set(from.bytes, 12);
  head.set(to.bytes, 16);
  return head;
}

function ipv6Head({ from, to }: Segment): Uint8Array {
  const head = new Uint8Array(IPV6_BYTES);
  head[0] = 0x60;
  new DataView(head.buffer).setUint16(4, TCP_BYTES);
  head[6] = IPPROTO.TCP;
  head[7] = HOPS;
  head.set(from.bytes, 8);
  head.set(to.bytes, 24);
  return head;
}

/** RFC 1071; every part has an even length. */
export function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts)
    for (let at = 0; at < part.byteLength; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
