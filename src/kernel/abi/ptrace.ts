// ptrace(2): include/uapi/linux/ptrace.h, arch/x86/include/asm/user_64.h

import { flags } from "../declare/flags.js";
import { i32, struct, u8, u32, u64 } from "../declare/struct.js";
import { buffer, count, foreignAddress, from, int, long, pid, syscall } from "../declare/syscall.js";

export const PTRACE_O = flags({
  PTRACE_O_TRACESYSGOOD: 1,
  PTRACE_O_TRACEFORK: 2,
  PTRACE_O_TRACEVFORK: 4,
  PTRACE_O_TRACECLONE: 8,
  PTRACE_O_TRACEEXEC: 0x10,
  PTRACE_O_TRACEEXIT: 0x40,
  PTRACE_O_EXITKILL: 0x100000,
  PTRACE_O_SUSPEND_SECCOMP: 0x200000,
});
export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_EXIT = 6;
export const PTRACE_EVENT_STOP = 128;
export const NT_PRFPREG = 2;
export const NT_X86_XSTATE = 0x202;
/** linux/ptrace.h: PEEKSIGINFO looks at the process's shared queue, not the thread's own. */
export const PTRACE_PEEKSIGINFO_SHARED = 1;

export const user_regs_struct = struct("user_regs_struct", 216, {
  r15: [0, u64],
  r14: [8, u64],
  r13: [16, u64],
  r12: [24, u64],
  bp: [32, u64],
  bx: [40, u64],
  r11: [48, u64],
  r10: [56, u64],
  r9: [64, u64],
  r8: [72, u64],
  ax: [80, u64],
  cx: [88, u64],
  dx: [96, u64],
  si: [104, u64],
  di: [112, u64],
  orig_ax: [120, u64],
  ip: [128, u64],
  cs: [136, u64],
  flags: [144, u64],
  sp: [152, u64],
  ss: [160, u64],
  fs_base: [168, u64],
  gs_base: [176, u64],
  ds: [184, u64],
  es: [192, u64],
  fs: [200, u64],
  gs: [208, u64],
});
export const iovec = struct("iovec", 16, { iov_base: [0, u64], iov_len: [8, u64] });
export const ptrace_peeksiginfo_args = struct("ptrace_peeksiginfo_args", 16, {
  off: [0, u64],
  flags: [8, u32],
  nr: [12, i32],
});
export const ptrace_rseq_configuration = struct("ptrace_rseq_configuration", 24, {
  rseq_abi_pointer: [0, u64],
  rseq_abi_size: [8, u32],
  signature: [12, u32],
  flags: [16, u32],
});
export const ptrace_sud_config = struct("ptrace_sud_config", 32, {
  mode: [0, u64],
  selector: [8, u64],
  offset: [16, u64],
  len: [24, u64],
});
export const user_desc = struct("user_desc", 16, {
  entry_number: [0, u32],
  base_addr: [4, u32],
  limit: [8, u32],
  bits: [12, u8],
});

const ptrace = 101;
const row = <const A extends Parameters<typeof syscall>[2]>(request: number, args: A) =>
  syscall("ptrace", ptrace, args, count, { command: [request] });
const none = ["none", long] as const;

export const ptraceCalls = {
  ptraceSeize: row(0x4206, [["pid", pid], none, ["options", PTRACE_O]]),
  ptraceInterrupt: row(0x4207, [["pid", pid]]),
  ptraceListen: row(0x4208, [["pid", pid]]),
  ptraceCont: row(7, [["pid", pid], none, ["signal", int]]),
  ptraceSyscall: row(24, [["pid", pid], none, ["signal", int]]),
  ptraceSinglestep: row(9, [["pid", pid], none, ["signal", int]]),
  ptraceDetach: row(17, [["pid", pid], none, ["signal", int]]),
  ptraceGetRegs: row(12, [["pid", pid], none, ["to", buffer]]),
  ptraceSetRegs: row(13, [["pid", pid], none, ["regs", buffer]]),
  ptraceSetOptions: row(0x4200, [["pid", pid], none, ["options", PTRACE_O]]),
  ptraceGetEventMessage: row(0x4201, [["pid", pid], none, ["to", buffer]]),
  ptraceGetSiginfo: row(0x4202, [["pid", pid], none, ["to", buffer]]),
  ptraceGetRegset: row(0x4204, [
    ["pid", pid],
    ["type", int],
    ["iov", buffer],
  ]),
  ptraceSetRegset: row(0x4205, [
    ["pid", pid],
    ["type", int],
    ["iov", buffer],
  ]),
  ptracePeekSiginfo: row(0x4209, [
    ["pid", pid],
    ["args", from(ptrace_peeksiginfo_args)],
    ["to", buffer],
  ]),
  ptraceGetSigmask: row(0x420a, [
    ["pid", pid],
    ["sizeBytes", int],
    ["to", buffer],
  ]),
  ptraceSetSigmask: row(0x420b, [
    ["pid", pid],
    ["sizeBytes", int],
    ["from", buffer],
  ]),
  ptraceGetRseqConfiguration: row(0x420f, [
    ["pid", pid],
    ["sizeBytes", int],
    ["to", buffer],
  ]),
  ptraceGetSyscallUserDispatchConfig: row(0x4211, [
    ["pid", pid],
    ["sizeBytes", int],
    ["to", buffer],
  ]),
  ptraceGetThreadArea: row(25, [
    ["pid", pid],
    ["entry", int],
    ["to", buffer],
  ]),
  ptraceSetThreadArea: row(26, [
    ["pid", pid],
    ["entry", int],
    ["from", buffer],
  ]),
  ptracePokeData: row(5, [
    ["pid", pid],
    ["address", foreignAddress],
    ["word", long],
  ]),
  ptraceSeccompGetFilter: row(0x420c, [
    ["pid", pid],
    ["index", int],
    ["to", buffer],
  ]),
  ptraceSeccompGetMetadata: row(0x420d, [
    ["pid", pid],
    ["sizeBytes", int],
    ["to", buffer],
  ]),
};
