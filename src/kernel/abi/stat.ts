// stat(2): struct stat of arch/x86/include/uapi/asm/stat.h
import { i64, struct, u32, u64 } from "../declare/struct.js";
import { buffer, fd, int, nothing, path, syscall } from "../declare/syscall.js";

export const stat = struct("stat", 144, {
  st_dev: [0, u64],
  st_ino: [8, u64],
  st_nlink: [16, u64],
  st_mode: [24, u32],
  st_uid: [28, u32],
  st_gid: [32, u32],
  st_rdev: [40, u64],
  st_size: [48, i64],
  st_blksize: [56, i64],
  st_blocks: [64, i64],
  st_atime: [72, u64],
  st_atime_nsec: [80, u64],
  st_mtime: [88, u64],
  st_mtime_nsec: [96, u64],
  st_ctime: [104, u64],
  st_ctime_nsec: [112, u64],
});

export const statCalls = {
  fstat: syscall(
    "fstat",
    5,
    [
      ["fd", fd],
      ["stat", buffer],
    ],
    nothing,
  ),
  newfstatat: syscall(
    "newfstatat",
    262,
    [
      ["dirfd", fd],
      ["path", path],
      ["stat", buffer],
      ["flags", int],
    ],
    nothing,
  ),
};
