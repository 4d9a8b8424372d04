// Moving bytes in bulk: process_vm_readv(2), preadv(2), splice(2), tee(2), pipe2(2)
import { buffer, count, fd, int, long, newFd, nothing, pid, syscall } from "../declare/syscall.js";

export const SPLICE_F_NONBLOCK = 2;
/** UIO_MAXIOV: how many ranges one call takes. */
export const UIO_MAXIOV = 1024;

export const uioCalls = {
  process_vm_readv: syscall(
    "process_vm_readv",
    310,
    [
      ["pid", pid],
      ["local", buffer],
      ["localCount", int],
      ["remote", buffer],
      ["remoteCount", int],
      ["flags", int],
    ],
    count,
  ),
  process_vm_writev: syscall(
    "process_vm_writev",
    311,
    [
      ["pid", pid],
      ["local", buffer],
      ["localCount", int],
      ["remote", buffer],
      ["remoteCount", int],
      ["flags", int],
    ],
    count,
  ),
  preadv: syscall(
    "preadv",
    295,
    [
      ["fd", fd],
      ["ranges", buffer],
      ["count", int],
      ["offset", long],
      ["offsetHigh", long],
    ],
    count,
  ),
  pipe2: syscall(
    "pipe2",
    293,
    [
      ["fds", buffer],
      ["flags", int],
    ],
    nothing,
  ),
  tee: syscall(
    "tee",
    276,
    [
      ["from", fd],
      ["to", fd],
      ["lengthBytes", long],
      ["flags", int],
    ],
    count,
  ),
  vmsplice: syscall(
    "vmsplice",
    278,
    [
      ["fd", fd],
      ["ranges", buffer],
      ["count", long],
      ["flags", int],
    ],
    count,
  ),
  splice: syscall(
    "splice",
    275,
    [
      ["from", fd],
      ["fromOffset", buffer],
      ["to", fd],
      ["toOffset", buffer],
      ["lengthBytes", long],
      ["flags", int],
    ],
    count,
  ),
  eventfd2: syscall(
    "eventfd2",
    290,
    [
      ["initial", int],
      ["flags", int],
    ],
    newFd,
  ),
  userfaultfd: syscall("userfaultfd", 323, [["flags", int]], newFd),
};
