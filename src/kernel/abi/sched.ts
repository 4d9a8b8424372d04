// Scheduling and limits: sched_setattr(2), ioprio_set(2), prlimit(2); include/uapi/linux/sched/types.h, include/uapi/linux/resource.h
import { i32, struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, int, nothing, pid, syscall } from "../declare/syscall.js";

export const sched_attr = struct("sched_attr", 56, {
  size: [0, u32],
  sched_policy: [4, u32],
  sched_flags: [8, u64],
  sched_nice: [16, i32],
  sched_priority: [20, u32],
  sched_runtime: [24, u64],
  sched_deadline: [32, u64],
  sched_period: [40, u64],
  sched_util_min: [48, u32],
  sched_util_max: [52, u32],
});
export const SCHED_FIFO = 1;
/** Whom ioprio_set(2) is about: one thread. */
export const IOPRIO_WHO_PROCESS = 1;
/** Of open descriptors: getrlimit(2). */
export const RLIMIT_NOFILE = 7;
export const rlimit64 = struct("rlimit64", 16, { rlim_cur: [0, u64], rlim_max: [8, u64] });

/** Room for a mask of 8192 processors, the most that a kernel can be built for. */
export const CPU_MASK_BYTES = 1024;

/** include/uapi/linux/resource.h: `who` is a thread. */
export const PRIO_PROCESS = 0;

export const schedCalls = {
  sched_yield: syscall("sched_yield", 24, [], nothing),
  sched_getattr: syscall(
    "sched_getattr",
    315,
    [
      ["pid", pid],
      ["attr", buffer],
      ["sizeBytes", int],
      ["flags", int],
    ],
    nothing,
  ),
  sched_setattr: syscall(
    "sched_setattr",
    314,
    [
      ["pid", pid],
      ["attr", buffer],
      ["flags", int],
    ],
    nothing,
  ),
  sched_getaffinity: syscall(
    "sched_getaffinity",
    204,
    [
      ["pid", pid],
      ["sizeBytes", int],
      ["mask", buffer],
    ],
    count,
  ),
  sched_setaffinity: syscall(
    "sched_setaffinity",
    203,
    [
      ["pid", pid],
      ["sizeBytes", int],
      ["mask", buffer],
    ],
    nothing,
  ),
  getpriority: syscall(
    "getpriority",
    140,
    [
      ["which", int],
      ["who", pid],
    ],
    count,
  ),
  setpriority: syscall(
    "setpriority",
    141,
    [
      ["which", int],
      ["who", pid],
      ["nice", int],
    ],
    nothing,
  ),
  ioprio_get: syscall(
    "ioprio_get",
    252,
    [
      ["which", int],
      ["who", pid],
    ],
    count,
  ),
  ioprio_set: syscall(
    "ioprio_set",
    251,
    [
      ["which", int],
      ["who", pid],
      ["priority", int],
    ],
    nothing,
  ),
  prlimit64: syscall(
    "prlimit64",
    302,
    [
      ["pid", pid],
      ["resource", int],
      ["new", buffer],
      ["old", buffer],
    ],
    nothing,
  ),
};
