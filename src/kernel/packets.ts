// SOCK_SEQPACKET sockets of the AF_UNIX family, and the packets that go over them: unix(7), sendmsg(2), recvmsg(2)
import { F_GETFL, F_SETFL, O } from "./abi/fcntl.js";
import {
  AF_UNIX,
  MSG,
  POLL,
  pollfd,
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
} from "./abi/socket.js";
import { asFd, asPid, type Fd } from "./brand.js";
import { unless } from "./errno.js";
import { type Along, addressOfName, type Credentials, incoming, outgoing, type Packet } from "./messages.js";
import { type OwnFd, own } from "./own-fd.js";
import { sys } from "./syscalls.js";

/** How many descriptors one packet may carry to us. */
const MAX_FDS = 16;

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
export function peerCredentials(socket: Fd): Credentials {
  const { pid, uid, gid } = ucred.decode(option(socket, SO_PEERCRED, ucred.sizeBytes));
  return { pid: asPid(pid), uid, gid };
}

/** The supplementary groups of that process: SO_PEERGROUPS. */
export function peerGroups(socket: Fd): readonly number[] {
  const words = unless(["ENODATA", "ENOPROTOOPT"], () => option(socket, SO_PEERGROUPS, MAX_GROUPS * 4));
  return words === undefined ? [] : [...new Uint32Array(words.buffer, 0, words.byteLength / 4)];
}
/** NGROUPS_MAX, include/uapi/linux/limits.h */
const MAX_GROUPS = 65536;

/** A pidfd of that process: it cannot be mistaken for a later one with the same pid. Undefined before kernel 6.5, and when it is gone. */
export function peerPidfd(socket: Fd): OwnFd | undefined {
  const four = unless(["ENOPROTOOPT", "ESRCH", "ENODATA", "EINVAL"], () => option(socket, SO_PEERPIDFD, 4));
  return four === undefined ? undefined : own(asFd(asInteger(four)));
}

/** sendmsg(2) of one packet, with what the other side is to have too. Not to `wait` for room: EAGAIN. */
export function sendPacket(
  socket: Fd,
  data: Uint8Array,
  along: Along = {},
  { wait = true }: { readonly wait?: boolean } = {},
): void {
  const { message, alive } = outgoing(data, along);
  sys.sendmsg(socket, message, MSG.MSG_NOSIGNAL | (wait ? 0 : MSG.MSG_DONTWAIT));
  alive.length = 0; // a use after the call: until here no buffer may be collected
}

/** The size of the packet that waits, which stays there; 0: the other side is gone, or the packet is empty. Blocks as the socket does. */
export function nextPacketBytes(socket: Fd): number {
  const { message, alive } = incoming(1, 0);
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

/** recvmsg(2) of one packet; what does not fit into `capacityBytes` is lost. */
export function receivePacket(socket: Fd, capacityBytes: number): Packet {
  const { message, alive, packet } = incoming(capacityBytes, MAX_FDS);
  const size = sys.recvmsg(socket, message, MSG.MSG_CMSG_CLOEXEC);
  alive.length = 0;
  return packet(size);
}
