// Names of numbers that images hold, for the fields that proto/images marks with show_flags and show_name.
// Kernel: include/uapi/{asm-generic,linux}; values are those of x86-64 and arm64.
import { Fstype } from "./entries.js";
import { NetworkLock, TaskState, UnixSocketFlag, VmaStatus } from "./numbers.js";
import { PagemapFlag } from "./pagemap.js";

type Names = Readonly<Record<string, number>>;

const signals: Names = Object.fromEntries(
  [
    "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM",
    "SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO",
    "SIGPWR SIGSYS",
  ]
    .flatMap((line) => line.split(" "))
    .map((name, index) => [name, index + 1]),
);

/** One bit for each name, from bit 0 on. */
const bits = (...lines: string[]): Names =>
  Object.fromEntries(lines.flatMap((line) => line.split(" ")).map((name, bit) => [name, 2 ** bit]));
/** One number for each name, from `first` on. */
const row = (first: number, names: string): Names =>
  Object.fromEntries(names.split(" ").map((name, index) => [name, first + index]));

/** Sets of bits, by show_flags. */
export const flagSets: Readonly<Record<string, Names>> = {
  fd: { FD_CLOEXEC: 1 },
  open: {
    ...{ O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_EXCL: 0o200, O_NOCTTY: 0o400, O_TRUNC: 0o1000, O_APPEND: 0o2000 },
    ...{ O_NONBLOCK: 0o4000, O_DSYNC: 0o10000, O_ASYNC: 0o20000, O_DIRECT: 0o40000, O_LARGEFILE: 0o100000 },
    ...{ O_DIRECTORY: 0o200000, O_NOFOLLOW: 0o400000, O_NOATIME: 0o1000000, O_CLOEXEC: 0o2000000, O_PATH: 0o10000000 },
  },
  epoll: {
    ...{ EPOLLIN: 1, EPOLLPRI: 2, EPOLLOUT: 4, EPOLLERR: 8, EPOLLHUP: 0x10, EPOLLRDNORM: 0x40, EPOLLRDBAND: 0x80 },
    ...{ EPOLLWRNORM: 0x100, EPOLLWRBAND: 0x200, EPOLLMSG: 0x400, EPOLLRDHUP: 0x2000 },
    ...{ EPOLLEXCLUSIVE: 2 ** 28, EPOLLWAKEUP: 2 ** 29, EPOLLONESHOT: 2 ** 30, EPOLLET: 2 ** 31 },
  },
  signals: Object.fromEntries(Object.entries(signals).map(([name, number]) => [name, 2 ** (number - 1)])),
  "signal-action": {
    ...{ SA_NOCLDSTOP: 1, SA_NOCLDWAIT: 2, SA_SIGINFO: 4, SA_RESTORER: 2 ** 26, SA_ONSTACK: 2 ** 27 },
    ...{ SA_RESTART: 2 ** 28, SA_NODEFER: 2 ** 30, SA_RESETHAND: 2 ** 31 },
  },
  inotify: bits(
    "IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE IN_OPEN IN_MOVED_FROM IN_MOVED_TO IN_CREATE",
    "IN_DELETE IN_DELETE_SELF IN_MOVE_SELF",
  ),
  seals: bits("F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_FUTURE_WRITE F_SEAL_EXEC"),
  clone: {
    ...{ CLONE_NEWTIME: 0x80, CLONE_NEWNS: 2 ** 17, CLONE_NEWCGROUP: 2 ** 25, CLONE_NEWUTS: 2 ** 26 },
    ...{ CLONE_NEWIPC: 2 ** 27, CLONE_NEWUSER: 2 ** 28, CLONE_NEWPID: 2 ** 29, CLONE_NEWNET: 2 ** 30 },
  },
  "mmap-prot": bits("PROT_READ PROT_WRITE PROT_EXEC"),
  mmap: {
    ...{ MAP_SHARED: 1, MAP_PRIVATE: 2, MAP_DROPPABLE: 8, MAP_ANONYMOUS: 0x20, MAP_GROWSDOWN: 0x100 },
    ...{ MAP_LOCKED: 0x2000, MAP_NORESERVE: 0x4000, MAP_HUGETLB: 0x40000 },
  },
  "vma-status": VmaStatus,
  pagemap: PagemapFlag,
  "unix-socket": UnixSocketFlag,
  "tcp-options": bits("TIMESTAMPS SACK WSCALE ECN ECN_SEEN SYN_DATA"),
  mount: {
    ...{
      MS_RDONLY: 1,
      MS_NOSUID: 2,
      MS_NODEV: 4,
      MS_NOEXEC: 8,
      MS_SYNCHRONOUS: 0x10,
      MS_MANDLOCK: 0x40,
      MS_DIRSYNC: 0x80,
    },
    ...{ MS_NOATIME: 0x400, MS_NODIRATIME: 0x800, MS_UNBINDABLE: 2 ** 17, MS_PRIVATE: 2 ** 18, MS_SLAVE: 2 ** 19 },
    ...{ MS_SHARED: 2 ** 20, MS_RELATIME: 2 ** 21, MS_STRICTATIME: 2 ** 24, MS_LAZYTIME: 2 ** 25 },
  },
  link: bits(
    "IFF_UP IFF_BROADCAST IFF_DEBUG IFF_LOOPBACK IFF_POINTOPOINT IFF_NOTRAILERS IFF_RUNNING IFF_NOARP IFF_PROMISC",
    "IFF_ALLMULTI IFF_MASTER IFF_SLAVE IFF_MULTICAST IFF_PORTSEL IFF_AUTOMEDIA IFF_DYNAMIC IFF_LOWER_UP",
  ),
};

/** Lists of numbers, by show_name. "mode" is none: file modes are shown in octal. */
export const nameLists: Readonly<Record<string, Names>> = {
  "address-family": { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17 },
  clock: {
    ...row(0, "CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID"),
    ...{ CLOCK_BOOTTIME: 7, CLOCK_REALTIME_ALARM: 8, CLOCK_BOOTTIME_ALARM: 9, CLOCK_TAI: 11 },
  },
  fstype: Object.fromEntries(Object.entries(Fstype).flatMap(([k, v]) => (typeof v === "number" ? [[k, v]] : []))),
  "ip-protocol": {
    IPPROTO_IP: 0,
    IPPROTO_ICMP: 1,
    IPPROTO_TCP: 6,
    IPPROTO_UDP: 17,
    IPPROTO_ICMPV6: 58,
    IPPROTO_UDPLITE: 136,
    IPPROTO_RAW: 255,
  },
  "network-lock": NetworkLock,
  "sched-policy": {
    ...row(0, "SCHED_NORMAL SCHED_FIFO SCHED_RR SCHED_BATCH"),
    SCHED_IDLE: 5,
    SCHED_DEADLINE: 6,
    SCHED_EXT: 7,
  },
  signal: signals,
  "socket-type": { ...row(1, "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET"), SOCK_PACKET: 10 },
  "task-state": TaskState,
  "tcp-state": row(
    1,
    "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV",
  ),
};

/** "O_RDWR|O_APPEND|0x80000000": bits without a name are shown, not lost. "0" for none. */
export function showFlags(names: Names, value: bigint): string {
  const words: string[] = [];
  let rest = value;
  for (const [name, bit] of Object.entries(names)) {
    if ((value & BigInt(bit)) === 0n) continue;
    words.push(name);
    rest &= ~BigInt(bit);
  }
  if (rest !== 0n || words.length === 0) words.push(rest === 0n ? "0" : `0x${rest.toString(16)}`);
  return words.join("|");
}

/** "CLOCK_MONOTONIC", or the number when the list has no name for it. */
export function showName(names: Names, value: bigint): string {
  return Object.entries(names).find(([, number]) => BigInt(number) === value)?.[0] ?? String(value);
}
