// io_uring(7): include/uapi/linux/io_uring.h
import { bytes, i32, struct, u8, u32, u64 } from "../declare/struct.js";
import { buffer, count, fd, int, newFd, syscall } from "../declare/syscall.js";

/** The memory of the ring is ours; since kernel 6.5. */
export const IORING_SETUP_NO_MMAP = 1 << 14;
/** Entries are taken in their order; since kernel 6.6. */
export const IORING_SETUP_NO_SQARRAY = 1 << 16;
/** One that fails does not keep the others from being made. */
export const IORING_SETUP_SUBMIT_ALL = 1 << 7;
export const IORING_ENTER_GETEVENTS = 1;
export const IORING_OP_URING_CMD = 46;
/** Of sockets; since kernel 6.7. */
export const SOCKET_URING_OP_GETSOCKOPT = 2;

export const io_sqring_offsets = struct("io_sqring_offsets", 40, {
  head: [0, u32],
  tail: [4, u32],
  user_addr: [32, u64],
});
export const io_cqring_offsets = struct("io_cqring_offsets", 40, {
  head: [0, u32],
  tail: [4, u32],
  cqes: [20, u32],
  user_addr: [32, u64],
});
export const io_uring_params = struct("io_uring_params", 120, {
  cq_entries: [4, u32],
  flags: [8, u32],
  sq_off: [40, bytes(io_sqring_offsets.sizeBytes)],
  cq_off: [80, bytes(io_cqring_offsets.sizeBytes)],
});
export const io_uring_sqe = struct("io_uring_sqe", 64, {
  opcode: [0, u8],
  fd: [4, i32],
  cmd_op: [8, u32],
  level: [16, u32],
  optname: [20, u32],
  user_data: [32, u64],
  optlen: [44, u32],
  optval: [48, u64],
});
export const io_uring_cqe = struct("io_uring_cqe", 16, { user_data: [0, u64], res: [8, i32] });

export const ioUringCalls = {
  io_uring_setup: syscall(
    "io_uring_setup",
    425,
    [
      ["entries", int],
      ["params", buffer],
    ],
    newFd,
  ),
  io_uring_enter: syscall(
    "io_uring_enter",
    426,
    [
      ["fd", fd],
      ["to_submit", int],
      ["min_complete", int],
      ["flags", int],
      ["sig", buffer],
      ["sz", int],
    ],
    count,
  ),
};
