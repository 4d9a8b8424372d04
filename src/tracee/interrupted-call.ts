// A thread that our interrupt made leave a system call with EINTR: signal(7), "Interruption of system calls and library functions by stop
// signals". Most calls go on by themselves after a stop; these do not, and the program would see an error that it did not cause.
import { repeatable, repeatableCompat } from "../kernel/abi/interruption.js";
import { errno } from "../kernel/errno.js";
import { readThreadStatus } from "../kernel/proc/status.js";
import { runsCompatCode } from "./compat.js";
import type { Registers, Tracee } from "./tracee.js";

const SYSCALL_BYTES = 2n;
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

const isRepeatable = (registers: Registers) =>
  (runsCompatCode(registers) ? repeatableCompat : repeatable).has(registers.orig_ax);

/** The registers with which a stopped thread makes such a call again, when nothing but our interrupt ended it. */
export function repeatInterrupted({ pid, tid }: Tracee, registers: Registers): Registers {
  if (registers.ax !== BigInt.asUintN(64, BigInt(-errno.EINTR)) || !isRepeatable(registers)) return registers;
  const status = readThreadStatus(pid, tid);
  // A signal that is about to be handled is what the call is interrupted for.
  if (status === undefined || ((status.sigPnd | status.shdPnd) & ~status.sigBlk) !== 0n) return registers;
  return { ...registers, ax: registers.orig_ax, ip: registers.ip - SYSCALL_BYTES, orig_ax: NOT_IN_A_SYSCALL };
}
