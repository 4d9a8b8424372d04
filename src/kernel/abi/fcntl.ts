// open(2), fcntl(2), close(2), read(2): include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h

import { flags } from "../declare/flags.js";
import { i32, i64, struct, u16, u32 } from "../declare/struct.js";
import {
  buffer,
  count,
  fd,
  from,
  int,
  long,
  newFd,
  nothing,
  path,
  rawPath,
  syscall,
  wide,
} from "../declare/syscall.js";

export const O = flags({
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_DSYNC: 0o10000,
  O_ASYNC: 0o20000,
  O_DIRECT: 0o40000,
  O_LARGEFILE: 0o100000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
  O_NOATIME: 0o1000000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  O_TMPFILE: 0o20200000,
});
export const O_RDONLY = 0;
export const O_ACCMODE = 3;
export const FD_CLOEXEC = 1;
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const AT_EMPTY_PATH = 0x1000;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const F_OWNER_TID = 0;
export const F_OWNER_PID = 1;
export const F_OWNER_PGRP = 2;

export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

export const f_owner_ex = struct("f_owner_ex", 8, { type: [0, i32], pid: [4, i32] });
export const flock = struct("flock", 32, {
  l_type: [0, u16],
  l_whence: [2, u16],
  l_start: [8, i64],
  l_len: [16, i64],
  l_pid: [24, i32],
});
export const f_owner_uids = struct("f_owner_uids", 8, { uid: [0, u32], euid: [4, u32] });

const fcntl = 72;
export const fcntlCalls = {
  openat: syscall(
    "openat",
    257,
    [
      ["dirfd", fd],
      ["path", path],
      ["flags", O],
      ["mode", int],
    ],
    newFd,
  ),
  openatRaw: syscall(
    "openat",
    257,
    [
      ["dirfd", fd],
      ["path", rawPath],
      ["flags", O],
      ["mode", int],
    ],
    newFd,
  ),
  close: syscall("close", 3, [["fd", fd]], nothing),
  close_range: syscall(
    "close_range",
    436,
    [
      ["first", int],
      ["last", int],
      ["flags", int],
    ],
    nothing,
  ),
  read: syscall(
    "read",
    0,
    [
      ["fd", fd],
      ["to", buffer],
      ["lengthBytes", int],
    ],
    count,
  ),
  write: syscall(
    "write",
    1,
    [
      ["fd", fd],
      ["from", buffer],
      ["lengthBytes", int],
    ],
    count,
  ),
  pread64: syscall(
    "pread64",
    17,
    [
      ["fd", fd],
      ["to", buffer],
      ["lengthBytes", int],
      ["offset", long],
    ],
    count,
  ),
  pwrite64: syscall(
    "pwrite64",
    18,
    [
      ["fd", fd],
      ["from", buffer],
      ["lengthBytes", int],
      ["offset", long],
    ],
    count,
  ),
  lseek: syscall(
    "lseek",
    8,
    [
      ["fd", fd],
      ["offset", long],
      ["whence", int],
    ],
    wide,
  ),
  dup: syscall("dup", 32, [["fd", fd]], newFd),
  dup3: syscall(
    "dup3",
    292,
    [
      ["fd", fd],
      ["newfd", fd],
      ["flags", O],
    ],
    newFd,
  ),
  ftruncate: syscall(
    "ftruncate",
    77,
    [
      ["fd", fd],
      ["lengthBytes", long],
    ],
    nothing,
  ),
  unlinkat: syscall(
    "unlinkat",
    263,
    [
      ["dirfd", fd],
      ["path", path],
      ["flags", int],
    ],
    nothing,
  ),
  linkat: syscall(
    "linkat",
    265,
    [
      ["olddirfd", fd],
      ["oldpath", path],
      ["newdirfd", fd],
      ["newpath", path],
      ["flags", int],
    ],
    nothing,
  ),
  mknodat: syscall(
    "mknodat",
    259,
    [
      ["dirfd", fd],
      ["path", path],
      ["mode", int],
      ["dev", long],
    ],
    nothing,
  ),
  flock: syscall(
    "flock",
    73,
    [
      ["fd", fd],
      ["operation", int],
    ],
    nothing,
  ),
  fchdir: syscall("fchdir", 81, [["fd", fd]], nothing),
  chroot: syscall("chroot", 161, [["path", path]], nothing),
  readlinkat: syscall(
    "readlinkat",
    267,
    [
      ["dirfd", fd],
      ["path", path],
      ["to", buffer],
      ["lengthBytes", int],
    ],
    count,
  ),
  umask: syscall("umask", 95, [["mask", int]], count),
  fcntlDupFd: syscall(
    "fcntl",
    fcntl,
    [
      ["fd", fd],
      ["command", int],
      ["lowest", int],
    ],
    newFd,
  ),
  fcntlGetFd: syscall(
    "fcntl",
    fcntl,
    [
      ["fd", fd],
      ["F_GETFD", int],
    ],
    count,
  ),
  fcntlSet: syscall(
    "fcntl",
    fcntl,
    [
      ["fd", fd],
      ["command", int],
      ["value", int],
    ],
    count,
  ),
  fcntlSetOwner: syscall(
    "fcntl",
    fcntl,
    [
      ["fd", fd],
      ["F_SETOWN_EX", int],
      ["owner", from(f_owner_ex)],
    ],
    nothing,
  ),
  fcntlInto: syscall(
    "fcntl",
    fcntl,
    [
      ["fd", fd],
      ["command", int],
      ["to", buffer],
    ],
    nothing,
  ),
};
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_SETLK = 6;
export const F_SETSIG = 10;
export const F_GETSIG = 11;
export const F_SETOWN_EX = 15;
export const F_GETOWN_EX = 16;
export const F_GETOWNER_UIDS = 17;
export const F_OFD_SETLK = 37;
export const F_SETLEASE = 1024;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
/** include/uapi/linux/fcntl.h: what may not be done any more with a file in memory. */
export const SEALS = flags({
  F_SEAL_SEAL: 0x01,
  F_SEAL_SHRINK: 0x02,
  F_SEAL_GROW: 0x04,
  F_SEAL_WRITE: 0x08,
  F_SEAL_FUTURE_WRITE: 0x10,
  F_SEAL_EXEC: 0x20,
});
