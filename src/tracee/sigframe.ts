// The signal frame that takes a thread home: struct rt_sigframe of arch/x86/include/asm/sigframe.h, as rt_sigreturn(2) reads it.
import { featuresInUse, hasFeature, XFEATURE_XTILE_DATA } from "../kernel/abi/xstate.js";
import { bytes, struct, u16, u32, u64 } from "../kernel/declare/struct.js";
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS } from "../kernel/errno.js";
import type { Registers } from "./tracee.js";

const UC_FP_XSTATE = 1n;
const UC_SIGCONTEXT_SS = 2n;
const UC_STRICT_RESTORE_SS = 4n;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
/** Where struct _fpx_sw_bytes lies in the FXSAVE area. */
const FX_SW_BYTES = 464;
/**
 * The tiles of AMX are the last feature. A thread that has never used them may have no frame that is larger than what is before them
 * (check_xstate_in_sigframe() in arch/x86/kernel/fpu/signal.c); where they are in use they belong to the frame.
 */
const TILES_AT = 2816;
const NO_SUCH_STACK_MODE = 0x1002;

/** struct ucontext with sigcontext_64 in it: 304 bytes. */
const ucontext = struct("ucontext", 304, {
  uc_flags: [0, u64],
  uc_link: [8, u64],
  ss_sp: [16, u64],
  ss_flags: [24, u32],
  ss_size: [32, u64],
  r8: [40, u64],
  r9: [48, u64],
  r10: [56, u64],
  r11: [64, u64],
  r12: [72, u64],
  r13: [80, u64],
  r14: [88, u64],
  r15: [96, u64],
  di: [104, u64],
  si: [112, u64],
  bp: [120, u64],
  bx: [128, u64],
  dx: [136, u64],
  ax: [144, u64],
  cx: [152, u64],
  sp: [160, u64],
  ip: [168, u64],
  flags: [176, u64],
  cs: [184, u16],
  gs: [186, u16],
  fs: [188, u16],
  ss: [190, u16],
  err: [192, u64],
  trapno: [200, u64],
  oldmask: [208, u64],
  cr2: [216, u64],
  fpstate: [224, u64],
  reserved: [232, bytes(64)],
  sigmask: [296, u64],
});

/** The frame never needs more room than this, wherever it begins. */
export const SIGFRAME_ROOM = 16384;

export interface Sigframe {
  /** What is to be written at `at`. */
  readonly bytes: Uint8Array;
  /** The address that rt_sigreturn must find in rsp: the ucontext. */
  readonly ucontext: bigint;
}

/** Lays a frame out at the 64-byte aligned address `at` that gives a thread these registers, mask and FPU state back. */
export function layOutSigframe(
  at: bigint,
  state: { registers: Registers; mask: bigint; xstate: Uint8Array },
): Sigframe {
  const xstate = framedXstate(state.xstate);
  const fpstate = at + 512n;
  const registers = resumed(state.registers);
  const frame = new Uint8Array(512 + xstate.byteLength);
  frame.set(
    ucontext.encode({
      ...registers,
      uc_flags: UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
      uc_link: 0n,
      // restore_altstack() ignores all failures but EFAULT: a mode that cannot be (EINVAL) leaves the alternate stack as it is.
      ss_sp: 0n,
      ss_flags: NO_SUCH_STACK_MODE,
      ss_size: 0n,
      cs: Number(registers.cs),
      ss: Number(registers.ss),
      gs: Number(registers.gs),
      fs: Number(registers.fs),
      err: 0n,
      trapno: 0n,
      oldmask: 0n,
      cr2: 0n,
      fpstate,
      reserved: new Uint8Array(64),
      sigmask: state.mask,
    }),
    0,
  );
  frame.set(xstate, 512);
  return { bytes: frame, ucontext: at };
}

/** The XSAVE area with the two magic numbers by which the kernel knows an extended frame. */
function framedXstate(xstate: Uint8Array): Uint8Array {
  const sizeBytes = hasFeature(featuresInUse(xstate), XFEATURE_XTILE_DATA)
    ? xstate.byteLength
    : Math.min(xstate.byteLength, TILES_AT);
  const framed = new Uint8Array(sizeBytes + 4);
  framed.set(xstate.subarray(0, sizeBytes));
  const view = new DataView(framed.buffer);
  view.setUint32(FX_SW_BYTES, FP_XSTATE_MAGIC1, true);
  view.setUint32(FX_SW_BYTES + 4, sizeBytes + 4, true);
  view.setBigUint64(
    FX_SW_BYTES + 8,
    new DataView(xstate.buffer, xstate.byteOffset).getBigUint64(FX_SW_BYTES, true),
    true,
  );
  view.setUint32(FX_SW_BYTES + 16, sizeBytes, true);
  view.setUint32(sizeBytes, FP_XSTATE_MAGIC2, true);
  return framed;
}

/**
 * Registers of a thread that was stopped inside a syscall, turned so that it makes the call again when it runs: what
 * arch_do_signal_or_restart() does when no handler runs. A call with a restart block is made again from its beginning, since
 * rt_sigreturn throws the block away.
 */
export function resumed(registers: Registers): Registers {
  if (BigInt.asIntN(64, registers.orig_ax) < 0n) return registers;
  const returned = -Number(BigInt.asIntN(64, registers.ax));
  const restarts: readonly number[] = [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK];
  if (!restarts.includes(returned)) return registers;
  return { ...registers, ax: registers.orig_ax, ip: registers.ip - 2n };
}
