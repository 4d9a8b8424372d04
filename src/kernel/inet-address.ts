// Addresses of internet sockets: `sockaddr_in`, `sockaddr_in6`.
import { AF_INET, AF_INET6, sockaddr_in, sockaddr_in6 } from "./abi/in.js";
import { SO_PEERNAME, SOL_SOCKET } from "./abi/socket.js";
import type { AskedOptions, SocketQuestion } from "./asked-options.js";
import type { Fd } from "./brand.js";
import { sys } from "./syscalls.js";

export interface InetAddress {
  /** 4 bytes, or 16. */
  readonly bytes: Uint8Array;
  readonly port: number;
  /** Interface index; 0: none. IPv6 link-local addresses need it. */
  readonly scope: number;
}

/** ::ffff:0:0/96, RFC 4291: an IPv4 address as an IPv6 socket shows it. */
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
export const unspecified = (family: number): InetAddress => ({
  bytes: new Uint8Array(family === AF_INET6 ? 16 : 4),
  port: 0,
  scope: 0,
});
export const isUnspecified = ({ bytes, port }: InetAddress): boolean => port === 0 && bytes.every((byte) => byte === 0);

export const isMapped = ({ bytes }: InetAddress): boolean =>
  bytes.byteLength === 16 && Buffer.compare(bytes.subarray(0, MAPPED.byteLength), MAPPED) === 0;
/** The IPv4 address behind a mapped one; any other as it is. */
export const unmapped = (address: InetAddress): InetAddress =>
  isMapped(address) ? { ...address, bytes: address.bytes.subarray(MAPPED.byteLength) } : address;

export function encodeAddress({ bytes, port, scope }: InetAddress): Uint8Array {
  if (bytes.byteLength === 4) return sockaddr_in.encode({ sin_family: AF_INET, sin_port: port, sin_addr: bytes });
  return sockaddr_in6.encode({
    sin6_family: AF_INET6,
    sin6_port: port,
    sin6_flowinfo: 0,
    sin6_addr: bytes,
    sin6_scope_id: scope,
  });
}

/** Undefined: bytes of another family. */
export function decodeAddress(from: Uint8Array): InetAddress | undefined {
  const family = from.byteLength < 2 ? 0 : new DataView(from.buffer, from.byteOffset).getUint16(0, true);
  if (family === AF_INET && from.byteLength >= sockaddr_in.sizeBytes) {
    const { sin_addr, sin_port } = sockaddr_in.decode(from);
    return { bytes: sin_addr, port: sin_port, scope: 0 };
  }
  if (family !== AF_INET6 || from.byteLength < sockaddr_in6.sizeBytes) return undefined;
  const { sin6_addr, sin6_port, sin6_scope_id } = sockaddr_in6.decode(from);
  return { bytes: sin6_addr, port: sin6_port, scope: sin6_scope_id };
}

/** What is asked of a socket about its own address and its peer's. */
const ends = (sizeBytes: number): readonly SocketQuestion[] => [
  { name: "own", sizeBytes },
  // Unlike getpeername(2) it also tells when the connection is closed; it refuses more room than the address needs.
  { level: SOL_SOCKET, name: SO_PEERNAME, sizeBytes },
];
const [ENDS_V4, ENDS_V6] = [ends(sockaddr_in.sizeBytes), ends(sockaddr_in6.sizeBytes)];
export const endsOf = (family: number): readonly SocketQuestion[] => (family === AF_INET6 ? ENDS_V6 : ENDS_V4);

/** The answers to `endsOf`. Undefined: none. */
export function addressesIn(asked: AskedOptions): {
  readonly local: InetAddress | undefined;
  readonly peer: InetAddress | undefined;
} {
  const [own, peer] = [asked.valueUnless(0), asked.valueUnless(1, "ENOTCONN")];
  return { local: own && decodeAddress(own), peer: peer && decodeAddress(peer) };
}

export function bindToAddress(socket: Fd, address: InetAddress): void {
  const bytes = encodeAddress(address);
  sys.bind(socket, bytes, bytes.byteLength);
}

export function connectToAddress(socket: Fd, address: InetAddress): void {
  const bytes = encodeAddress(address);
  sys.connect(socket, bytes, bytes.byteLength);
}

/** The address as people write it, e.g. 127.0.0.1:80 or [::1]:80. */
export function showAddress({ bytes, port }: InetAddress): string {
  if (bytes.byteLength === 4) return `${bytes.join(".")}:${port}`;
  const words = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  return `[${words.join(":").replace(/(^|:)0(:0)+(:|$)/, "::")}]:${port}`;
}
