// Asynchronous I/O, io_setup(2): include/uapi/linux/aio_abi.h; struct aio_ring: fs/aio.c
import { i64, struct, u16, u32, u64 } from "../declare/struct.js";
import { buffer, count, foreignAddress, int, nothing, syscall } from "../declare/syscall.js";

export const AIO_RING_MAGIC = 0xa10a10a1;
export const IOCB_CMD_PWRITE = 1;

/** The head of a ring; struct io_event follow it. */
export const aio_ring = struct("aio_ring", 32, {
  id: [0, u32],
  nr: [4, u32],
  head: [8, u32],
  tail: [12, u32],
  magic: [16, u32],
  compat_features: [20, u32],
  incompat_features: [24, u32],
  header_length: [28, u32],
});
export const IO_EVENT_BYTES = 32;
export const iocb = struct("iocb", 64, {
  aio_data: [0, u64],
  aio_lio_opcode: [16, u16],
  aio_fildes: [20, u32],
  aio_buf: [24, u64],
  aio_nbytes: [32, u64],
  aio_offset: [40, i64],
});

export const aioCalls = {
  io_setup: syscall(
    "io_setup",
    206,
    [
      ["requests", int],
      ["context", foreignAddress],
    ],
    nothing,
  ),
  io_getevents: syscall(
    "io_getevents",
    208,
    [
      ["context", foreignAddress],
      ["least", int],
      ["most", int],
      ["events", buffer],
      ["timeout", buffer],
    ],
    count,
  ),
  io_submit: syscall(
    "io_submit",
    209,
    [
      ["context", foreignAddress],
      ["count", int],
      ["requests", foreignAddress],
    ],
    count,
  ),
};
