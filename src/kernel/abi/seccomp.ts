// seccomp(2): include/uapi/linux/seccomp.h; its programs: include/uapi/linux/filter.h, bpf_common.h
import { flags } from "../declare/flags.js";
import { struct, u8, u16, u32, u64 } from "../declare/struct.js";
import { buffer, count, int, syscall } from "../declare/syscall.js";

export const SECCOMP_MODE = { DISABLED: 0, STRICT: 1, FILTER: 2 } as const;
export const SECCOMP_SET_MODE_STRICT = 0;
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG = flags({
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
});
export const SECCOMP_RET_ACTION_FULL = 0xffff0000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;

/** Class of an instruction, and where a BPF_RET has its value from. */
export const BPF = { CLASS: 0x07, RET: 0x06, RVAL: 0x18, K: 0x00, A: 0x10 } as const;
export const BPF_MAXINSNS = 4096;

export const sock_filter = struct("sock_filter", 8, { code: [0, u16], jt: [2, u8], jf: [3, u8], k: [4, u32] });
export const sock_fprog = struct("sock_fprog", 16, { len: [0, u16], filter: [8, u64] });
export const seccomp_metadata = struct("seccomp_metadata", 16, { filter_off: [0, u64], flags: [8, u64] });

export const seccompCalls = {
  seccomp: syscall(
    "seccomp",
    317,
    [
      ["operation", int],
      ["flags", SECCOMP_FILTER_FLAG],
      ["args", buffer],
    ],
    count,
  ),
};
