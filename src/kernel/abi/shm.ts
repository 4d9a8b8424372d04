// System V shared memory, shmget(2), shmat(2), shmctl(2): include/uapi/linux/{ipc,shm}.h, include/uapi/asm-generic/shmbuf.h
import { flags } from "../declare/flags.js";
import { bytes, i32, i64, struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, foreignAddress, int, long, newAddress, nothing, syscall } from "../declare/syscall.js";

export const IPC_PRIVATE = 0;
export const SHMGET = flags({ IPC_CREAT: 0o1000, IPC_EXCL: 0o2000, SHM_HUGETLB: 0o4000 });
export const SHMAT = flags({ SHM_RDONLY: 0o10000, SHM_EXEC: 0o100000 });
/** In shm_perm.mode, beside the permissions: it goes with its last attachment; it is locked into memory. */
export const SHM_MODE = flags({ SHM_DEST: 0o1000, SHM_LOCKED: 0o2000 });
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const SHM_LOCK = 11;

const PERM_BYTES = 48;
export const ipc64_perm = struct("ipc64_perm", PERM_BYTES, {
  key: [0, u32],
  uid: [4, u32],
  gid: [8, u32],
  cuid: [12, u32],
  cgid: [16, u32],
  mode: [20, u32],
});
export const shmid64_ds = struct("shmid64_ds", 112, {
  shm_perm: [0, bytes(PERM_BYTES)],
  shm_segsz: [48, u64],
  shm_atime: [56, i64],
  shm_dtime: [64, i64],
  shm_ctime: [72, i64],
  shm_cpid: [80, i32],
  shm_lpid: [84, i32],
  shm_nattch: [88, u64],
});

export const shmCalls = {
  shmget: syscall(
    "shmget",
    29,
    [
      ["key", int],
      ["sizeBytes", long],
      ["flags", int],
    ],
    count,
  ),
  shmat: syscall(
    "shmat",
    30,
    [
      ["id", int],
      ["address", foreignAddress],
      ["flags", SHMAT],
    ],
    newAddress,
  ),
  shmctl: syscall(
    "shmctl",
    31,
    [
      ["id", int],
      ["command", int],
      ["ds", buffer],
    ],
    count,
  ),
  shmdt: syscall("shmdt", 67, [["address", foreignAddress]], nothing),
};
