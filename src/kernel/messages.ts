// Messages of sendmsg(2) and recvmsg(2), with what goes along: addresses, and of unix sockets descriptors and credentials. unix(7), cmsg(3)
import { IP, IPV6, SOL_IP, SOL_IPV6 } from "./abi/in.js";
import {
  AF_UNIX,
  cmsghdr,
  iovec,
  SCM_CREDENTIALS,
  SCM_PIDFD,
  SCM_RIGHTS,
  SOL_SOCKET,
  sockaddr_un,
  UNIX_PATH_MAX,
  ucred,
  user_msghdr,
} from "./abi/socket.js";
import { asFd, asPid, type Fd, type Pid } from "./brand.js";
import { addressOf } from "./call.js";
import { type OwnFd, own } from "./own-fd.js";

/** SCM_MAX_FD, include/net/scm.h: more than that no message has. */
export const MOST_FDS = 253;
const FD_BYTES = 4;
const FAMILY_BYTES = 2;
/** struct in_pktinfo ends with the address that the header names, struct in6_pktinfo begins with it: ip(7), ipv6(7). */
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** Of a process, as SCM_CREDENTIALS and SO_PEERCRED tell. */
export interface Credentials {
  readonly pid: Pid;
  readonly uid: number;
  readonly gid: number;
}

export interface Packet {
  readonly data: Uint8Array;
  /** What came along with SCM_RIGHTS: ours now, to be closed. */
  readonly fds: readonly OwnFd[];
  /** The address of the socket that sent it, struct sockaddr; empty: it has none. */
  readonly from: Uint8Array;
  /** To which internet address, of 4 or 16 bytes, where that is asked for (IP_PKTINFO, IPV6_RECVPKTINFO). */
  readonly destination?: Uint8Array;
  /** Absent: nobody asked for them (SO_PASSCRED) when it was sent, or nobody asks now. */
  readonly credentials?: Credentials;
}

/** `name` as sock_diag(7) tells it: a path, or an abstract name that begins with NUL. */
export function addressOfName(name: Uint8Array): { readonly address: Uint8Array; readonly lengthBytes: number } {
  const sun_path = new Uint8Array(UNIX_PATH_MAX);
  sun_path.set(name.subarray(0, UNIX_PATH_MAX));
  return {
    address: sockaddr_un.encode({ sun_family: AF_UNIX, sun_path }),
    lengthBytes: FAMILY_BYTES + name.byteLength,
  };
}

/** The name of a unix socket, as sock_diag(7) tells it, in its address; empty: it has none. */
export const nameIn = (address: Uint8Array): Uint8Array => address.subarray(FAMILY_BYTES);

/** CMSG_SPACE(3) */
const spaceFor = (dataBytes: number) => cmsghdr.sizeBytes + Math.ceil(dataBytes / 8) * 8;

/** A message header and the memory that it points at, which must live as long as it. */
interface Header {
  readonly message: Uint8Array;
  readonly alive: Uint8Array[];
}

function header(data: Uint8Array, control: Uint8Array, name: Uint8Array, nameBytes: number): Header {
  const ranges = iovec.encode({ iov_base: addressOf(data), iov_len: BigInt(data.byteLength) });
  const message = user_msghdr.encode({
    msg_name: nameBytes === 0 ? 0n : addressOf(name),
    msg_namelen: nameBytes,
    msg_iov: addressOf(ranges),
    msg_iovlen: 1n,
    msg_control: control.byteLength === 0 ? 0n : addressOf(control),
    msg_controllen: BigInt(control.byteLength),
    msg_flags: 0,
  });
  return { message, alive: [data, control, ranges, name] };
}

/** What goes along with a message that we send. */
export interface Along {
  readonly fds?: readonly Fd[];
  /** To whom, when the socket is not connected. */
  readonly to?: Uint8Array;
  /** Of a process that is there; others than our own need CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID. */
  readonly credentials?: Credentials;
}

/** For sendmsg(2). */
export function outgoing(data: Uint8Array, { fds = [], to = new Uint8Array(), credentials }: Along): Header {
  const control = Buffer.concat([
    ...(fds.length === 0 ? [] : [controlOf(SCM_RIGHTS, new Uint8Array(Int32Array.from(fds).buffer))]),
    ...(credentials === undefined ? [] : [controlOf(SCM_CREDENTIALS, ucred.encode(credentials))]),
  ]);
  const { address, lengthBytes } = addressOfName(to);
  return header(data, control, address, to.byteLength === 0 ? 0 : lengthBytes);
}

function controlOf(type: number, data: Uint8Array): Uint8Array {
  const control = new Uint8Array(spaceFor(data.byteLength));
  const cmsg_len = BigInt(cmsghdr.sizeBytes + data.byteLength);
  control.set(cmsghdr.encode({ cmsg_len, cmsg_level: SOL_SOCKET, cmsg_type: type }));
  control.set(data, cmsghdr.sizeBytes);
  return control;
}

/** Room for recvmsg(2). */
export interface Incoming extends Header {
  /** What has come, when the call returned `size`; its data lies in the room. */
  packet(size: number): Packet;
  /** Before it is used once more. */
  reset(): void;
}

/** What does not fit into `capacityBytes`, and descriptors beyond `mostFds`, are lost. */
export function incoming(capacityBytes: number, mostFds: number): Incoming {
  // Not filled with zeros: much of it is never used.
  const data = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(1, capacityBytes)).buffer);
  const control = new Uint8Array(spaceFor(mostFds * FD_BYTES) + spaceFor(ucred.sizeBytes));
  const name = new Uint8Array(sockaddr_un.sizeBytes);
  const { message, alive } = header(data, control, name, name.byteLength);
  const packet = (size: number): Packet => {
    const { msg_controllen, msg_namelen } = user_msghdr.decode(message);
    return {
      data: data.subarray(0, size),
      from: name.slice(0, Math.max(0, msg_namelen)),
      ...ancillaryIn(control.subarray(0, Number(msg_controllen))),
    };
  };
  const before = message.slice();
  return { message, alive, packet, reset: () => message.set(before) };
}

function ancillaryIn(control: Uint8Array): Pick<Packet, "fds" | "credentials" | "destination"> {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const fds: OwnFd[] = [];
  let credentials: Credentials | undefined;
  let destination: Uint8Array | undefined;
  for (let at = 0; at + cmsghdr.sizeBytes <= control.byteLength; ) {
    const { cmsg_len, cmsg_level, cmsg_type } = cmsghdr.read(view, at);
    const end = at + Number(cmsg_len);
    const begin = at + cmsghdr.sizeBytes;
    if (end > control.byteLength || end < begin) break;
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_RIGHTS)
      for (let fd = begin; fd + FD_BYTES <= end; fd += FD_BYTES) fds.push(own(asFd(view.getInt32(fd, true))));
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_PIDFD) own(asFd(view.getInt32(begin, true)))[Symbol.dispose]();
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_CREDENTIALS) credentials = known(ucred.read(view, begin));
    if (cmsg_level === SOL_IP && cmsg_type === IP.PKTINFO) destination = control.slice(end - IPV4_BYTES, end);
    if (cmsg_level === SOL_IPV6 && cmsg_type === IPV6.PKTINFO) destination = control.slice(begin, begin + IPV6_BYTES);
    at = Math.ceil(end / 8) * 8;
  }
  return { fds, ...(credentials && { credentials }), ...(destination && { destination }) };
}

/** A message that was sent when nobody asked for credentials says pid 0. */
const known = ({ pid, uid, gid }: { readonly pid: number; readonly uid: number; readonly gid: number }) =>
  pid === 0 ? undefined : { pid: asPid(pid), uid, gid };
