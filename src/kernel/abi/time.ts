// Timers and clocks: setitimer(2), timer_create(2), timerfd_create(2); include/uapi/linux/time.h
import { i32, i64, struct, u64 } from "../declare/struct.js";
import { buffer, count, fd, int, newFd, nothing, syscall } from "../declare/syscall.js";

export const timespec = struct("__kernel_timespec", 16, { tv_sec: [0, i64], tv_nsec: [8, i64] });
export const itimerval = struct("__kernel_old_itimerval", 32, {
  intervalSec: [0, i64],
  intervalUsec: [8, i64],
  valueSec: [16, i64],
  valueUsec: [24, i64],
});
export const itimerspec = struct("__kernel_itimerspec", 32, {
  intervalSec: [0, i64],
  intervalNsec: [8, i64],
  valueSec: [16, i64],
  valueNsec: [24, i64],
});
export const sigevent = struct("sigevent", 64, {
  sigev_value: [0, u64],
  sigev_signo: [8, i32],
  sigev_notify: [12, i32],
  tid: [16, i32],
});
export const TFD_TIMER_ABSTIME = 1;

export const timeCalls = {
  nanosleep: syscall(
    "nanosleep",
    35,
    [
      ["time", buffer],
      ["left", buffer],
    ],
    nothing,
    { interruptible: true },
  ),
  getitimer: syscall(
    "getitimer",
    36,
    [
      ["which", int],
      ["to", buffer],
    ],
    nothing,
  ),
  setitimer: syscall(
    "setitimer",
    38,
    [
      ["which", int],
      ["new", buffer],
      ["old", buffer],
    ],
    nothing,
  ),
  timer_create: syscall(
    "timer_create",
    222,
    [
      ["clock", int],
      ["event", buffer],
      ["id", buffer],
    ],
    nothing,
  ),
  timer_settime: syscall(
    "timer_settime",
    223,
    [
      ["id", int],
      ["flags", int],
      ["new", buffer],
      ["old", buffer],
    ],
    nothing,
  ),
  timer_gettime: syscall(
    "timer_gettime",
    224,
    [
      ["id", int],
      ["to", buffer],
    ],
    nothing,
  ),
  timer_getoverrun: syscall("timer_getoverrun", 225, [["id", int]], count),
  timer_delete: syscall("timer_delete", 226, [["id", int]], nothing),
  timerfd_create: syscall(
    "timerfd_create",
    283,
    [
      ["clock", int],
      ["flags", int],
    ],
    newFd,
  ),
  timerfd_settime: syscall(
    "timerfd_settime",
    286,
    [
      ["fd", fd],
      ["flags", int],
      ["new", buffer],
      ["old", buffer],
    ],
    nothing,
  ),
  clock_gettime: syscall(
    "clock_gettime",
    228,
    [
      ["clock", int],
      ["to", buffer],
    ],
    nothing,
  ),
};
