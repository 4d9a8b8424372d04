// prctl(2), arch_prctl(2), capset(2), the set*id family: include/uapi/linux/prctl.h, include/uapi/linux/capability.h
import { i32, struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, int, long, nothing, syscall } from "../declare/syscall.js";

export const PR = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_SET_KEEPCAPS: 8,
  PR_SET_NAME: 15,
  PR_GET_SECCOMP: 21,
  PR_SET_SECCOMP: 22,
  PR_CAPBSET_DROP: 24,
  PR_GET_TSC: 25,
  PR_SET_TSC: 26,
  PR_GET_SECUREBITS: 27,
  PR_SET_SECUREBITS: 28,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_MCE_KILL: 33,
  PR_MCE_KILL_GET: 34,
  PR_SET_MM: 35,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_GET_CHILD_SUBREAPER: 37,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  PR_GET_TID_ADDRESS: 40,
  PR_SET_THP_DISABLE: 41,
  PR_GET_THP_DISABLE: 42,
  /** In the argument of the one and the result of the other: kernel 6.18. */
  PR_THP_DISABLE_EXCEPT_ADVISED: 2,
  PR_CAP_AMBIENT: 47,
  PR_SET_IO_FLUSHER: 57,
  PR_SET_MDWE: 65,
  PR_GET_MDWE: 66,
  PR_SET_MEMORY_MERGE: 67,
  PR_GET_MEMORY_MERGE: 68,
  PR_TIMER_CREATE_RESTORE_IDS: 77,
} as const;
export const PR_SET_MM_MAP = 14;
export const PR_TSC_ENABLE = 1;
export const PR_SYS_DISPATCH_OFF = 0n;
export const PR_MCE_KILL_SET = 1;
export const PR_MCE_KILL_DEFAULT = 2;
/** arch/x86/include/uapi/asm/prctl.h */
export const ARCH_GET_CPUID = 0x1011;
export const ARCH_SET_CPUID = 0x1012;
export const ARCH_GET_XCOMP_PERM = 0x1022;
export const ARCH_REQ_XCOMP_PERM = 0x1023;
export const ARCH_MAP_VDSO_32 = 0x2002;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
export const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;

export const cap_user_header = struct("__user_cap_header_struct", 8, { version: [0, u32], pid: [4, i32] });
export const cap_user_data = struct("__user_cap_data_struct", 12, {
  effective: [0, u32],
  permitted: [4, u32],
  inheritable: [8, u32],
});
/** include/uapi/linux/securebits.h */
export const SECBIT_NO_SETUID_FIXUP = 1 << 2;
export const prctl_mm_map = struct("prctl_mm_map", 104, {
  start_code: [0, u64],
  end_code: [8, u64],
  start_data: [16, u64],
  end_data: [24, u64],
  start_brk: [32, u64],
  brk: [40, u64],
  start_stack: [48, u64],
  arg_start: [56, u64],
  arg_end: [64, u64],
  env_start: [72, u64],
  env_end: [80, u64],
  auxv: [88, u64],
  auxv_size: [96, u32],
  exe_fd: [100, u32],
});

export const prctlCalls = {
  prctl: syscall(
    "prctl",
    157,
    [
      ["option", int],
      ["arg2", long],
      ["arg3", long],
      ["arg4", long],
      ["arg5", long],
    ],
    count,
  ),
  /** prctl with an address as second argument: a name, a place for the answer. */
  prctlAt: syscall(
    "prctl",
    157,
    [
      ["option", int],
      ["at", buffer],
      ["arg3", long],
      ["arg4", long],
      ["arg5", long],
    ],
    count,
  ),
  prctlSetMmMap: syscall(
    "prctl",
    157,
    [
      ["map", buffer],
      ["sizeBytes", int],
      ["none", int],
    ],
    nothing,
    {
      command: [PR.PR_SET_MM, PR_SET_MM_MAP],
    },
  ),
  arch_prctl: syscall(
    "arch_prctl",
    158,
    [
      ["option", int],
      ["address", long],
    ],
    count,
  ),
  capget: syscall(
    "capget",
    125,
    [
      ["header", buffer],
      ["data", buffer],
    ],
    nothing,
  ),
  capset: syscall(
    "capset",
    126,
    [
      ["header", buffer],
      ["data", buffer],
    ],
    nothing,
  ),
  setresuid: syscall(
    "setresuid",
    117,
    [
      ["ruid", int],
      ["euid", int],
      ["suid", int],
    ],
    nothing,
  ),
  setresgid: syscall(
    "setresgid",
    119,
    [
      ["rgid", int],
      ["egid", int],
      ["sgid", int],
    ],
    nothing,
  ),
  setfsuid: syscall("setfsuid", 122, [["uid", int]], count),
  setfsgid: syscall("setfsgid", 123, [["gid", int]], count),
  setgroups: syscall(
    "setgroups",
    116,
    [
      ["count", int],
      ["list", buffer],
    ],
    nothing,
  ),
};
