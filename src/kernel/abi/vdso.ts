// The calls that a vdso answers without the kernel, as the kernel makes them: vdso(7). clock_gettime(2) is in time.ts.
import { buffer, count, int, nothing, syscall } from "../declare/syscall.js";

export const vdsoCalls = {
  clock_getres: syscall(
    "clock_getres",
    229,
    [
      ["clock", int],
      ["to", buffer],
    ],
    nothing,
  ),
  getcpu: syscall(
    "getcpu",
    309,
    [
      ["cpu", buffer],
      ["node", buffer],
    ],
    nothing,
  ),
  getrandom: syscall(
    "getrandom",
    318,
    [
      ["to", buffer],
      ["lengthBytes", int],
      ["flags", int],
    ],
    count,
  ),
  gettimeofday: syscall(
    "gettimeofday",
    96,
    [
      ["to", buffer],
      ["zone", buffer],
    ],
    nothing,
  ),
  time: syscall("time", 201, [["to", buffer]], count),
};
