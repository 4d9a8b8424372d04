// epoll(7): include/uapi/linux/eventpoll.h. The struct is packed on x86-64.
import { struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, fd, int, newFd, nothing, syscall } from "../declare/syscall.js";

export const epoll_event = struct("epoll_event", 12, { events: [0, u32], data: [4, u64] });

export const epollCalls = {
  epoll_create1: syscall("epoll_create1", 291, [["flags", int]], newFd),
  epoll_ctl: syscall(
    "epoll_ctl",
    233,
    [
      ["epfd", fd],
      ["operation", int],
      ["fd", fd],
      ["event", buffer],
    ],
    nothing,
  ),
  epoll_wait: syscall(
    "epoll_wait",
    232,
    [
      ["epfd", fd],
      ["events", buffer],
      ["maxevents", int],
      ["timeout", int],
    ],
    count,
  ),
};
