// Packets with descriptors over SOCK_SEQPACKET sockets of the AF_UNIX family: unix(7), recvmsg(2), cmsg(3)
import { F_GETFL, F_SETFL, O } from "./abi/fcntl.js";
import {
  AF_UNIX,
  cmsghdr,
  iovec,
  MSG,
  POLL,
  pollfd,
  SCM_RIGHTS,
  SHUT_RDWR,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERPIDFD,
  SO_TYPE,
  SOCK,
  SOL_SOCKET,
  sockaddr_un,
  UNIX_PATH_MAX,
  ucred,
  user_msghdr,
} from "./abi/socket.js";
import { asFd, asPid, type Fd, type Pid } from "./brand.js";
import { addressOf } from "./call.js";
import { unless } from "./errno.js";
import { type OwnFd, own } from "./own-fd.js";
import { sys } from "./syscalls.js";

/** How many descriptors one packet may carry to us; SCM_MAX_FD of the kernel is 253. */
const MAX_FDS = 16;
const FD_BYTES = 4;
/** cmsghdr and descriptors, rounded up as CMSG_SPACE(3) does. */
const controlBytes = (fds: number) => cmsghdr.sizeBytes + Math.ceil((fds * FD_BYTES) / 8) * 8;

export type NewSocketFlags = { readonly nonBlocking?: boolean; readonly inherited?: boolean };
const typeOf = ({ nonBlocking, inherited }: NewSocketFlags = {}) =>
  SOCK.SOCK_SEQPACKET | (inherited ? 0 : SOCK.SOCK_CLOEXEC) | (nonBlocking ? SOCK.SOCK_NONBLOCK : 0);

/** socket(2): a SEQPACKET socket with no name and no peer. */
export const newSocket = (options?: NewSocketFlags): OwnFd => own(sys.socket(AF_UNIX, typeOf(options), 0));

/** socketpair(2): two ends that are connected with each other. */
export function newSocketPair(options?: NewSocketFlags): readonly [OwnFd, OwnFd] {
  const ends = new Int32Array(2);
  sys.socketpair(AF_UNIX, typeOf(options), 0, new Uint8Array(ends.buffer));
  const [one = -1, other = -1] = ends;
  return [own(asFd(one)), own(asFd(other))];
}

/** O_NONBLOCK of fcntl(2), for one end of a pair whose other end blocks. */
export function setNonBlocking(socket: Fd): void {
  sys.fcntlSet(socket, F_SETFL, sys.fcntlGetFd(socket, F_GETFL) | O.O_NONBLOCK);
}

/** The longest path that a socket can have, in bytes: sun_path less its NUL. */
export const MAX_PATH_BYTES = UNIX_PATH_MAX - 1;

/** A `sockaddr_un` as bind(2) and connect(2) want it. The caller has checked the length against MAX_PATH_BYTES. */
function addressBytes(path: string): Uint8Array {
  const sun_path = new Uint8Array(UNIX_PATH_MAX);
  sun_path.set(Buffer.from(path));
  return sockaddr_un.encode({ sun_family: AF_UNIX, sun_path });
}

/** `name` as sock_diag(7) tells it: a path, or an abstract name that begins with NUL. */
function addressOfName(name: Uint8Array): { address: Uint8Array; lengthBytes: number } {
  const sun_path = new Uint8Array(UNIX_PATH_MAX);
  sun_path.set(name.subarray(0, UNIX_PATH_MAX));
  return {
    address: sockaddr_un.encode({ sun_family: AF_UNIX, sun_path }),
    lengthBytes: FAMILY_BYTES + name.byteLength,
  };
}
const FAMILY_BYTES = 2;

/** bind(2) to a name of unix(7). */
export function bindToName(socket: Fd, name: Uint8Array): void {
  const { address, lengthBytes } = addressOfName(name);
  sys.bind(socket, address, lengthBytes);
}

/** connect(2) to a name of unix(7). */
export function connectToName(socket: Fd, name: Uint8Array): void {
  const { address, lengthBytes } = addressOfName(name);
  sys.connect(socket, address, lengthBytes);
}

/** connect(2). A socket that does not block fails with EAGAIN when the backlog of the other side is full. */
export function connectTo(socket: Fd, path: string): void {
  const address = addressBytes(path);
  sys.connect(socket, address, address.byteLength);
}

/** As many as may wait for a worker; the kernel's own limit is net.core.somaxconn. */
const BACKLOG = 128;

/** listen(2) */
export const listenOn = (socket: Fd): void => sys.listen(socket, BACKLOG);

/** shutdown(2): whoever waits in accept(2) on it comes back, and connect(2) is refused. */
export const stopListening = (socket: Fd): void => sys.shutdown(socket, SHUT_RDWR);

/** bind(2) */
export function bindTo(socket: Fd, path: string): void {
  const address = addressBytes(path);
  sys.bind(socket, address, address.byteLength);
}

const asInteger = (four: Uint8Array) => new DataView(four.buffer).getInt32(0, true);

function option(socket: Fd, name: number, sizeBytes: number): Uint8Array {
  const to = new Uint8Array(sizeBytes);
  const length = new Uint8Array(new Int32Array([sizeBytes]).buffer);
  sys.getsockopt(socket, SOL_SOCKET, name, to, length);
  return to.subarray(0, asInteger(length));
}

/** Whether `fd` is a socket at all, and one whose packets keep their ends. */
export function isPacketSocket(fd: Fd): boolean {
  const type = unless(["ENOTSOCK", "EBADF"], () => option(fd, SO_TYPE, 4));
  return type !== undefined && asInteger(type) === SOCK.SOCK_SEQPACKET;
}

/** Who connected the socket, or made the pair: SO_PEERCRED of unix(7). Its pid is 0 when our pid namespace does not see it. */
export function peerCredentials(socket: Fd): { readonly pid: Pid; readonly uid: number; readonly gid: number } {
  const { pid, uid, gid } = ucred.decode(option(socket, SO_PEERCRED, ucred.sizeBytes));
  return { pid: asPid(pid), uid, gid };
}

/** The supplementary groups of that process: SO_PEERGROUPS. */
export function peerGroups(socket: Fd): readonly number[] {
  const words = unless(["ENODATA", "ENOPROTOOPT"], () => option(socket, SO_PEERGROUPS, MAX_GROUPS * FD_BYTES));
  return words === undefined ? [] : [...new Uint32Array(words.buffer, 0, words.byteLength / FD_BYTES)];
}
/** NGROUPS_MAX, include/uapi/linux/limits.h */
const MAX_GROUPS = 65536;

/** A pidfd of that process: it cannot be mistaken for a later one with the same pid. Undefined before kernel 6.5, and when it is gone. */
export function peerPidfd(socket: Fd): OwnFd | undefined {
  const four = unless(["ENOPROTOOPT", "ESRCH", "ENODATA", "EINVAL"], () => option(socket, SO_PEERPIDFD, 4));
  return four === undefined ? undefined : own(asFd(asInteger(four)));
}

/** A message header over one buffer of data and one of ancillary data, and the memory that must live as long as it. */
function header(data: Uint8Array, control: Uint8Array) {
  const ranges = iovec.encode({ iov_base: addressOf(data), iov_len: BigInt(data.byteLength) });
  const message = user_msghdr.encode({
    msg_name: 0n,
    msg_namelen: 0,
    msg_iov: addressOf(ranges),
    msg_iovlen: 1n,
    msg_control: control.byteLength === 0 ? 0n : addressOf(control),
    msg_controllen: BigInt(control.byteLength),
    msg_flags: 0,
  });
  return { message, alive: [data, control, ranges] };
}

/** sendmsg(2) of one packet, with descriptors of ours for the other side to have too. */
export function sendPacket(socket: Fd, data: Uint8Array, fds: readonly Fd[] = []): void {
  const control = new Uint8Array(fds.length === 0 ? 0 : controlBytes(fds.length));
  if (fds.length > 0) {
    const cmsg_len = BigInt(cmsghdr.sizeBytes + fds.length * FD_BYTES);
    control.set(cmsghdr.encode({ cmsg_len, cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS }));
    control.set(new Uint8Array(Int32Array.from(fds).buffer), cmsghdr.sizeBytes);
  }
  const { message, alive } = header(data, control);
  sys.sendmsg(socket, message, MSG.MSG_NOSIGNAL);
  alive.length = 0; // a use after the call: until here no buffer may be collected
}

/** The size of the packet that waits, which stays there; 0: the other side is gone, or the packet is empty. Blocks as the socket does. */
export function nextPacketBytes(socket: Fd): number {
  const { message, alive } = header(new Uint8Array(1), new Uint8Array(0));
  const size = sys.recvmsg(socket, message, MSG.MSG_PEEK | MSG.MSG_TRUNC);
  alive.length = 0;
  return size;
}

/** poll(2): whether there is something to read, the other side's end included, before `timeoutMs` pass. */
export function readableWithin(socket: Fd, timeoutMs: number): boolean {
  return sys.poll(pollfd.encode({ fd: socket, events: POLL.POLLIN, revents: 0 }), 1, timeoutMs) > 0;
}

/** accept4(2). Undefined: the listening socket was shut down. */
export function acceptFrom(listening: Fd): OwnFd | undefined {
  const fd = unless("EINVAL", () => sys.accept4(listening, null, null, SOCK.SOCK_CLOEXEC));
  return fd === undefined ? undefined : own(fd);
}

export interface Packet {
  readonly data: Uint8Array;
  /** What came along with SCM_RIGHTS: ours now, to be closed. */
  readonly fds: readonly OwnFd[];
}

/** recvmsg(2) of one packet; what does not fit into `capacityBytes` is lost. */
export function receivePacket(socket: Fd, capacityBytes: number): Packet {
  return receive(socket, capacityBytes, 0);
}

/** As receivePacket, but the packet stays where it is. Undefined: there is none (at the place of SO_PEEK_OFF). */
export function peekPacket(socket: Fd, capacityBytes: number): Packet | undefined {
  return unless("EAGAIN", () => receive(socket, capacityBytes, MSG.MSG_PEEK | MSG.MSG_DONTWAIT));
}

function receive(socket: Fd, capacityBytes: number, flags: number): Packet {
  const data = new Uint8Array(Math.max(1, capacityBytes));
  const control = new Uint8Array(controlBytes(MAX_FDS));
  const { message, alive } = header(data, control);
  const size = sys.recvmsg(socket, message, flags | MSG.MSG_CMSG_CLOEXEC);
  alive.length = 0;
  const used = Number(user_msghdr.decode(message).msg_controllen);
  return { data: data.subarray(0, size), fds: descriptorsIn(control.subarray(0, used)) };
}

function descriptorsIn(control: Uint8Array): OwnFd[] {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const found: OwnFd[] = [];
  for (let at = 0; at + cmsghdr.sizeBytes <= control.byteLength; ) {
    const { cmsg_len, cmsg_level, cmsg_type } = cmsghdr.read(view, at);
    const end = at + Number(cmsg_len);
    if (end > control.byteLength || end < at + cmsghdr.sizeBytes) break;
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM_RIGHTS)
      for (let fd = at + cmsghdr.sizeBytes; fd + FD_BYTES <= end; fd += FD_BYTES)
        found.push(own(asFd(view.getInt32(fd, true))));
    at = Math.ceil(end / 8) * 8;
  }
  return found;
}
