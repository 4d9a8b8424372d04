// A packet of UDP or UDP-Lite with its IP header: RFC 768, 3828, 791, 8200.
import { IPPROTO } from "./abi/in.js";
import type { InetAddress } from "./inet-address.js";

export interface Datagram {
  /** IPPROTO_UDP or IPPROTO_UDPLITE. */
  readonly protocol: number;
  readonly source: InetAddress;
  /** Of the same family. */
  readonly destination: InetAddress;
  readonly data: Uint8Array;
}

const UDP_HEADER_BYTES = 8;
const HOPS = 64;

/** As raw(7) sends it with IP_HDRINCL or IPV6_HDRINCL: of an IPv4 header the kernel fills in length and checksum. */
export function packetOf({ protocol, source, destination, data }: Datagram): Uint8Array {
  const udp = Buffer.alloc(UDP_HEADER_BYTES + data.byteLength);
  udp.writeUInt16BE(source.port, 0);
  udp.writeUInt16BE(destination.port, 2);
  // UDP-Lite has the number of bytes that the checksum is over here: 0 is all of them.
  udp.writeUInt16BE(protocol === IPPROTO.UDPLITE ? 0 : udp.byteLength, 4);
  udp.set(data, UDP_HEADER_BYTES);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(udp.byteLength, 0);
  pseudo.writeUInt32BE(protocol, 4);
  // 0 says that there is none.
  udp.writeUInt16BE(checksum(source.bytes, destination.bytes, pseudo, udp) || 0xffff, 6);
  const header = source.bytes.byteLength === 4 ? ipv4Header : ipv6Header;
  return new Uint8Array(Buffer.concat([header(protocol, udp.byteLength), source.bytes, destination.bytes, udp]));
}

/** All but the addresses. */
function ipv4Header(protocol: number, payloadBytes: number): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x45; // version 4, five words
  header.writeUInt16BE(20 + payloadBytes, 2);
  header[8] = HOPS;
  header[9] = protocol;
  return header;
}

/** All but the addresses. */
function ipv6Header(protocol: number, payloadBytes: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x60; // version 6
  header.writeUInt16BE(payloadBytes, 4);
  header[6] = protocol;
  header[7] = HOPS;
  return header;
}

/** RFC 1071, over parts of which all but the last have an even length. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts)
    for (let at = 0; at < part.byteLength; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
