// Sockets: socket(2), unix(7), sendmsg(2), recvmsg(2), poll(2); include/linux/socket.h, include/uapi/linux/un.h, include/uapi/asm-generic/socket.h
import { flags } from "../declare/flags.js";
import { bytes, i32, struct, u16, u32, u64 } from "../declare/struct.js";
import { buffer, count, fd, int, newFd, nothing, syscall } from "../declare/syscall.js";

export const AF_UNIX = 1;
/** sun_path of `sockaddr_un`, with the NUL that ends it. */
export const UNIX_PATH_MAX = 108;
export const SOCK = flags({
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_SEQPACKET: 5,
  SOCK_PACKET: 10,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
});
export const MSG = flags({
  MSG_PEEK: 2,
  MSG_CTRUNC: 8,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x40000000,
});
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_DONTROUTE = 5;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_NO_CHECK = 11;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_RCVLOWAT = 18;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const SO_PEERNAME = 28;
export const SO_TIMESTAMP = 29;
/** SO_GET_FILTER when it is read; its length counts instructions. */
export const SO_ATTACH_FILTER = 26;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_PASSSEC = 34;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;
export const SO_TIMESTAMPING = 37;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_RXQ_OVFL = 40;
export const SO_PEEK_OFF = 42;
export const SO_LOCK_FILTER = 44;
export const SO_BUSY_POLL = 46;
export const SO_MEMINFO = 55;
export const SO_MAX_PACING_RATE = 47;
export const SO_ZEROCOPY = 60;
export const SO_TIMESTAMP_NEW = 63;
export const SO_TIMESTAMPNS_NEW = 64;
export const SO_TIMESTAMPING_NEW = 65;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUF_LOCK = 72;
export const SO_TXREHASH = 74;
export const SO_RCVMARK = 75;
export const SO_PEERGROUPS = 59;
/** Kernel 6.5. */
export const SO_PASSPIDFD = 76;
export const SO_PEERPIDFD = 77;
/** Kernel 6.16. */
export const SO_PASSRIGHTS = 83;
/** Kernel 6.17. */
export const SO_INQ = 84;
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;
/** Kernel 6.5. */
export const SCM_PIDFD = 4;
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
/** ioctl(2): a descriptor (O_PATH) of the file that a unix socket is bound to. include/uapi/linux/un.h */
export const SIOCUNIXFILE = 0x89e0;
/** include/net/tcp_states.h; unix sockets have these three. */
export const TCP_ESTABLISHED = 1;
export const TCP_CLOSE = 7;
export const TCP_LISTEN = 10;
export const POLL = flags({ POLLIN: 1, POLLPRI: 2, POLLOUT: 4, POLLERR: 8, POLLHUP: 0x10, POLLRDHUP: 0x2000 });

/** What kind of socket it is: the three arguments of socket(2). */
export interface SocketKind {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
}

/** An option of getsockopt(2); its value has 4 bytes unless it says otherwise. */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly sizeBytes?: number;
}

export const sockaddr_un = struct("sockaddr_un", 110, { sun_family: [0, u16], sun_path: [2, bytes(UNIX_PATH_MAX)] });
export const ucred = struct("ucred", 12, { pid: [0, i32], uid: [4, u32], gid: [8, u32] });
export const iovec = struct("iovec", 16, { iov_base: [0, u64], iov_len: [8, u64] });
/** What user space passes; the kernel's own `msghdr` is another struct. */
export const user_msghdr = struct("user_msghdr", 56, {
  msg_name: [0, u64],
  msg_namelen: [8, i32],
  msg_iov: [16, u64],
  msg_iovlen: [24, u64],
  msg_control: [32, u64],
  msg_controllen: [40, u64],
  msg_flags: [48, u32],
});
/** The head of one piece of ancillary data; the next one starts at a multiple of 8. */
export const cmsghdr = struct("cmsghdr", 16, { cmsg_len: [0, u64], cmsg_level: [8, i32], cmsg_type: [12, i32] });
export const pollfd = struct("pollfd", 8, { fd: [0, i32], events: [4, u16], revents: [6, u16] });

export const socketCalls = {
  socket: syscall(
    "socket",
    41,
    [
      ["family", int],
      ["type", SOCK],
      ["protocol", int],
    ],
    newFd,
  ),
  bind: syscall(
    "bind",
    49,
    [
      ["fd", fd],
      ["address", buffer],
      ["lengthBytes", int],
    ],
    nothing,
  ),
  listen: syscall(
    "listen",
    50,
    [
      ["fd", fd],
      ["backlog", int],
    ],
    nothing,
  ),
  connect: syscall(
    "connect",
    42,
    [
      ["fd", fd],
      ["address", buffer],
      ["lengthBytes", int],
    ],
    nothing,
  ),
  accept4: syscall(
    "accept4",
    288,
    [
      ["fd", fd],
      ["address", buffer],
      ["lengthBytes", buffer],
      ["flags", SOCK],
    ],
    newFd,
  ),
  socketpair: syscall(
    "socketpair",
    53,
    [
      ["family", int],
      ["type", SOCK],
      ["protocol", int],
      ["fds", buffer],
    ],
    nothing,
  ),
  getsockname: syscall(
    "getsockname",
    51,
    [
      ["fd", fd],
      ["address", buffer],
      ["lengthBytes", buffer],
    ],
    nothing,
  ),
  getpeername: syscall(
    "getpeername",
    52,
    [
      ["fd", fd],
      ["address", buffer],
      ["lengthBytes", buffer],
    ],
    nothing,
  ),
  sendto: syscall(
    "sendto",
    44,
    [
      ["fd", fd],
      ["data", buffer],
      ["dataBytes", int],
      ["flags", MSG],
      ["address", buffer],
      ["lengthBytes", int],
    ],
    count,
  ),
  recvfrom: syscall(
    "recvfrom",
    45,
    [
      ["fd", fd],
      ["data", buffer],
      ["dataBytes", int],
      ["flags", MSG],
      ["address", buffer],
      ["lengthBytes", buffer],
    ],
    count,
  ),
  shutdown: syscall(
    "shutdown",
    48,
    [
      ["fd", fd],
      ["how", int],
    ],
    nothing,
  ),
  sendmsg: syscall(
    "sendmsg",
    46,
    [
      ["fd", fd],
      ["message", buffer],
      ["flags", MSG],
    ],
    count,
  ),
  recvmsg: syscall(
    "recvmsg",
    47,
    [
      ["fd", fd],
      ["message", buffer],
      ["flags", MSG],
    ],
    count,
  ),
  getsockopt: syscall(
    "getsockopt",
    55,
    [
      ["fd", fd],
      ["level", int],
      ["option", int],
      ["to", buffer],
      ["lengthBytes", buffer],
    ],
    nothing,
  ),
  setsockopt: syscall(
    "setsockopt",
    54,
    [
      ["fd", fd],
      ["level", int],
      ["option", int],
      ["from", buffer],
      ["lengthBytes", int],
    ],
    nothing,
  ),
  poll: syscall(
    "poll",
    7,
    [
      ["fds", buffer],
      ["count", int],
      ["timeoutMs", int],
    ],
    count,
  ),
};
