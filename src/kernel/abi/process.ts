// Making, finding and ending processes: clone3(2), waitid(2), kill(2), pidfd_open(2), kcmp(2)
import { flags } from "../declare/flags.js";
import { i32, struct, u32, u64 } from "../declare/struct.js";
import {
  buffer,
  count,
  fd,
  foreignFd,
  from,
  int,
  long,
  newFd,
  newPid,
  nothing,
  path,
  pid,
  syscall,
} from "../declare/syscall.js";

export const CLONE = {
  CLONE_VM: 0x100n,
  CLONE_FS: 0x200n,
  CLONE_FILES: 0x400n,
  CLONE_SIGHAND: 0x800n,
  CLONE_VFORK: 0x4000n,
  CLONE_PARENT: 0x8000n,
  CLONE_THREAD: 0x10000n,
  CLONE_SYSVSEM: 0x40000n,
  CLONE_SETTLS: 0x80000n,
  CLONE_PARENT_SETTID: 0x100000n,
  CLONE_CHILD_CLEARTID: 0x200000n,
  CLONE_UNTRACED: 0x800000n,
} as const;
/** clone3(2), the 88 bytes of version 2 (kernel 5.7). */
export const clone_args = struct("clone_args", 88, {
  flags: [0, u64],
  pidfd: [8, u64],
  child_tid: [16, u64],
  parent_tid: [24, u64],
  exit_signal: [32, u64],
  stack: [40, u64],
  stack_size: [48, u64],
  tls: [56, u64],
  set_tid: [64, u64],
  set_tid_size: [72, u64],
  cgroup: [80, u64],
});
export const W = flags({
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x01000000,
  __WNOTHREAD: 0x20000000,
  __WALL: 0x40000000,
});
/** pidfd_open(2), kernel 6.9: of the thread, not of its process. Shown as O_EXCL. */
export const PIDFD_THREAD = 0o200;
/** pidfd_send_signal(2), kernel 6.9. */
export const PIDFD_SIGNAL_THREAD_GROUP = 2;
/** idtype_t of waitid(2). */
export const P_PID = 1;
export const KCMP = {
  KCMP_FILE: 0,
  KCMP_VM: 1,
  KCMP_FILES: 2,
  KCMP_FS: 3,
  KCMP_SIGHAND: 4,
  KCMP_IO: 5,
  KCMP_SYSVSEM: 6,
  KCMP_EPOLL_TFD: 7,
} as const;

/** _IOWR(0xff, 11, struct pidfd_info): include/uapi/linux/pidfd.h. Since kernel 6.13, the exit code since 6.15. */
export const PIDFD_GET_INFO = 0xc048ff0b;
export const PIDFD_INFO_EXIT = 8n;
/** Of kernel 6.18; an older one fills in less. */
export const pidfd_info = struct("pidfd_info", 72, { mask: [0, u64], pid: [16, u32], exit_code: [60, i32] });

/** Which watch: of those that were added under the number `tfd`, the one with `toff` others before it in fdinfo. */
export const kcmp_epoll_slot = struct("kcmp_epoll_slot", 12, { efd: [0, u32], tfd: [4, u32], toff: [8, u32] });

export const processCalls = {
  clone3: syscall(
    "clone3",
    435,
    [
      ["args", buffer],
      ["sizeBytes", int],
    ],
    newPid,
  ),
  clone: syscall(
    "clone",
    56,
    [
      ["flags", long],
      ["stack", long],
      ["parentTid", long],
      ["childTid", long],
      ["tls", long],
    ],
    newPid,
  ),
  getpid: syscall("getpid", 39, [], newPid),
  gettid: syscall("gettid", 186, [], newPid),
  wait4: syscall(
    "wait4",
    61,
    [
      ["pid", pid],
      ["status", buffer],
      ["options", W],
      ["usage", buffer],
    ],
    newPid,
  ),
  waitid: syscall(
    "waitid",
    247,
    [
      ["idtype", int],
      ["id", pid],
      ["info", buffer],
      ["options", W],
      ["usage", buffer],
    ],
    nothing,
  ),
  kill: syscall(
    "kill",
    62,
    [
      ["pid", pid],
      ["signal", int],
    ],
    nothing,
  ),
  tgkill: syscall(
    "tgkill",
    234,
    [
      ["tgid", pid],
      ["tid", pid],
      ["signal", int],
    ],
    nothing,
  ),
  exit: syscall("exit", 60, [["status", int]], nothing),
  exit_group: syscall("exit_group", 231, [["status", int]], nothing),
  execve: syscall(
    "execve",
    59,
    [
      ["path", path],
      ["argv", buffer],
      ["envp", buffer],
    ],
    nothing,
  ),
  setsid: syscall("setsid", 112, [], newPid),
  getsid: syscall("getsid", 124, [["pid", pid]], newPid),
  getpgid: syscall("getpgid", 121, [["pid", pid]], newPid),
  setpgid: syscall(
    "setpgid",
    109,
    [
      ["pid", pid],
      ["pgid", pid],
    ],
    nothing,
  ),
  pidfd_open: syscall(
    "pidfd_open",
    434,
    [
      ["pid", pid],
      ["flags", int],
    ],
    newFd,
  ),
  pidfd_getfd: syscall(
    "pidfd_getfd",
    438,
    [
      ["pidfd", fd],
      ["targetfd", foreignFd],
      ["flags", int],
    ],
    newFd,
  ),
  pidfd_send_signal: syscall(
    "pidfd_send_signal",
    424,
    [
      ["pidfd", fd],
      ["signal", int],
      ["info", buffer],
      ["flags", int],
    ],
    nothing,
  ),
  kcmp: syscall(
    "kcmp",
    312,
    [
      ["pid1", pid],
      ["pid2", pid],
      ["type", int],
      ["index1", long],
      ["index2", long],
    ],
    count,
  ),
  /** Whether a watch of an epoll instance, in the table of `pid2`, is on the file that `pid1` has open as `fd1`. */
  kcmpWatch: syscall(
    "kcmp",
    312,
    [
      ["pid1", pid],
      ["pid2", pid],
      ["type", int],
      ["fd1", int],
      ["slot", from(kcmp_epoll_slot)],
    ],
    count,
  ),
  personality: syscall("personality", 135, [["persona", long]], count),
  set_tid_address: syscall("set_tid_address", 218, [["address", long]], newPid),
  set_robust_list: syscall(
    "set_robust_list",
    273,
    [
      ["head", long],
      ["lengthBytes", long],
    ],
    nothing,
  ),
  get_robust_list: syscall(
    "get_robust_list",
    274,
    [
      ["pid", pid],
      ["head", buffer],
      ["lengthBytes", buffer],
    ],
    nothing,
  ),
  rseq: syscall(
    "rseq",
    334,
    [
      ["area", long],
      ["lengthBytes", int],
      ["flags", int],
      ["signature", int],
    ],
    nothing,
  ),
  futex: syscall(
    "futex",
    202,
    [
      ["word", buffer],
      ["operation", int],
      ["value", int],
      ["timeout", buffer],
    ],
    count,
    { interruptible: true },
  ),
  ioctl: syscall(
    "ioctl",
    16,
    [
      ["fd", fd],
      ["request", int],
      ["argument", buffer],
    ],
    count,
  ),
  /** Where the argument is a value, not an address. */
  ioctlValue: syscall(
    "ioctl",
    16,
    [
      ["fd", fd],
      ["request", int],
      ["argument", int],
    ],
    count,
  ),
};
