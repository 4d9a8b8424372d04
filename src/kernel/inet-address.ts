// Addresses of internet sockets: `sockaddr_in`, `sockaddr_in6`.
import { AF_INET, AF_INET6, sockaddr_in, sockaddr_in6 } from "./abi/in.js";
import { SO_PEERNAME, SOL_SOCKET } from "./abi/socket.js";
import { failureOf, prepared, RepeatedCalls } from "./batch.js";
import { asFd, type Fd } from "./brand.js";
import { errno } from "./errno.js";
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

/** Room for the addresses of both ends, and the calls that ask for them: getsockname(2), SO_PEERNAME. */
class BothEnds {
  readonly #local: Uint8Array;
  readonly #peer: Uint8Array;
  readonly #lengths = new Uint32Array(2);
  readonly #calls: RepeatedCalls;

  constructor(readonly sizeBytes: number) {
    this.#local = new Uint8Array(new ArrayBuffer(sizeBytes));
    this.#peer = new Uint8Array(new ArrayBuffer(sizeBytes));
    const length = (index: number) => new Uint8Array(this.#lengths.buffer, index * 4, 4);
    const nobody = asFd(-1);
    this.#calls = new RepeatedCalls([
      prepared.getsockname(nobody, this.#local, length(0)),
      prepared.getsockopt(nobody, SOL_SOCKET, SO_PEERNAME, this.#peer, length(1)),
    ]);
  }

  of(socket: Fd): { readonly local?: InetAddress | undefined; readonly peer?: InetAddress | undefined } {
    this.#lengths.fill(this.sizeBytes);
    this.#calls.runFor(socket);
    const [first, second] = this.#calls.calls;
    const failure = first && failureOf(first, this.#calls.result(0));
    if (failure !== undefined) throw failure;
    const local = decodeAddress(this.#local);
    if (this.#calls.result(1) === -errno.ENOTCONN) return { local };
    const unexpected = second && failureOf(second, this.#calls.result(1));
    if (unexpected !== undefined) throw unexpected;
    return { local, peer: decodeAddress(this.#peer) };
  }
}
let v4: BothEnds | undefined;
let v6: BothEnds | undefined;

/**
 * The addresses of a socket and of the one that it is connected to. Of that SO_PEERNAME, unlike getpeername(2), also tells when the connection is
 * closed; it refuses more room than the address needs. Undefined: none.
 */
export function addressesOf(socket: Fd, family: number): ReturnType<BothEnds["of"]> {
  v4 ??= new BothEnds(sockaddr_in.sizeBytes);
  v6 ??= new BothEnds(sockaddr_in6.sizeBytes);
  return (family === AF_INET6 ? v6 : v4).of(socket);
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
