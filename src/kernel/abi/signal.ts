// Signals: sigaction(2), sigaltstack(2), rt_sigqueueinfo(2); include/uapi/asm-generic/signal.h, include/uapi/asm-generic/siginfo.h

import { flags } from "../declare/flags.js";
import { bytes, i32, struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, fd, int, newFd, nothing, pid, syscall } from "../declare/syscall.js";

export const SIG_IGN = 1n;
export const SIG = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGWINCH: 28,
} as const;
const SIGNAL_COUNT = 64;
/** Signals whose action can be set, in ascending order. */
export const settable: readonly number[] = Array.from({ length: SIGNAL_COUNT }, (_, index) => index + 1).filter(
  (signal) => signal !== SIG.SIGKILL && signal !== SIG.SIGSTOP,
);
export const SIGSET_BYTES = 8;
/** rt_sigprocmask(2): the mask becomes this one. */
export const SIG_SETMASK = 2;
export const SIGINFO_BYTES = 128;
export const SA = flags({
  SA_NOCLDSTOP: 1,
  SA_NOCLDWAIT: 2,
  SA_SIGINFO: 4,
  SA_RESTORER: 0x04000000,
  SA_ONSTACK: 0x08000000,
  SA_RESTART: 0x10000000,
});

/** The kernel's own sigaction, not libc's: include/linux/signal_types.h. */
export const k_sigaction = struct("k_sigaction", 32, {
  handler: [0, u64],
  flags: [8, u64],
  restorer: [16, u64],
  mask: [24, u64],
});
/** That of 32-bit code: include/linux/compat.h. */
export const compat_sigaction = struct("compat_sigaction", 20, {
  sa_handler: [0, u32],
  sa_flags: [4, u32],
  sa_restorer: [8, u32],
  sa_mask: [12, bytes(8)],
});
export const stack_t = struct("sigaltstack", 24, { ss_sp: [0, u64], ss_flags: [8, i32], ss_size: [16, u64] });
/** siginfo_t with what follows the first three words left as bytes. */
export const siginfo = struct("siginfo", 128, {
  si_signo: [0, i32],
  si_errno: [4, i32],
  si_code: [8, i32],
  rest: [12, bytes(116)],
});
/** struct signalfd_siginfo starts like this: include/uapi/linux/signalfd.h. */
export const signalfd_siginfo_head = struct("signalfd_siginfo", 128, { ssi_signo: [0, u32] });

export const signalCalls = {
  rt_sigaction: syscall(
    "rt_sigaction",
    13,
    [
      ["signal", int],
      ["new", buffer],
      ["old", buffer],
      ["setBytes", int],
    ],
    nothing,
  ),
  rt_sigprocmask: syscall(
    "rt_sigprocmask",
    14,
    [
      ["how", int],
      ["new", buffer],
      ["old", buffer],
      ["setBytes", int],
    ],
    nothing,
  ),
  sigaltstack: syscall(
    "sigaltstack",
    131,
    [
      ["new", buffer],
      ["old", buffer],
    ],
    nothing,
  ),
  rt_sigqueueinfo: syscall(
    "rt_sigqueueinfo",
    129,
    [
      ["pid", pid],
      ["signal", int],
      ["info", buffer],
    ],
    nothing,
  ),
  rt_tgsigqueueinfo: syscall(
    "rt_tgsigqueueinfo",
    297,
    [
      ["tgid", pid],
      ["tid", pid],
      ["signal", int],
      ["info", buffer],
    ],
    nothing,
  ),
  rt_sigreturn: syscall("rt_sigreturn", 15, [], count),
  signalfd4: syscall(
    "signalfd4",
    289,
    [
      ["fd", fd],
      ["mask", buffer],
      ["sizeBytes", int],
      ["flags", int],
    ],
    newFd,
  ),
};
