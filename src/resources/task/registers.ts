// General registers, thread-local storage and the clear-on-exit address of a thread: ptrace(2) PTRACE_GETREGS, set_tid_address(2).
import { create } from "@bufbuild/protobuf";
import {
  type CoreEntry,
  ThreadInfoX86Schema,
  type UserDescT,
  UserDescTSchema,
  UserX86RegsEntrySchema,
  UserX86RegsMode,
} from "../../images/format/entries.js";
import { PR } from "../../kernel/abi/prctl.js";
import { user_desc } from "../../kernel/abi/ptrace.js";
import { runs32BitCode } from "../../kernel/code-32.js";
import { struct, u64 } from "../../kernel/declare/struct.js";
import { unless } from "../../kernel/errno.js";
import { StasisError } from "../../report/error.js";
import { runsCompatCode, USER_CS } from "../../tracee/compat.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import { resumed } from "../../tracee/sigframe.js";
import type { Registers, Tracee } from "../../tracee/tracee.js";
import type { DumpedThread, TaskPart } from "../kind.js";
import { asCalled, findCall } from "./timed-call.js";

/** Entries of the GDT that set_thread_area(2) fills: GDT_ENTRY_TLS_MIN and the next two. */
const TLS_ENTRIES = [12, 13, 14] as const;
const pointer = struct("pointer", 8, { value: [0, u64] });
const clearTidAddress = asksFor(pointer, (at) => remote.prctlAt(PR.PR_GET_TID_ADDRESS, at, 0n, 0n, 0n));

export const registers: TaskPart = {
  name: "registers",
  of: "thread",
  stage: "after-memory",
  limits: [
    "of 32-bit code, a call that was interrupted does not keep the time that was left, and one of socketcall(2) or ipc(2) may end with EINTR",
    "speculation control, prctl(2) PR_SET_SPECULATION_CTRL, is not carried over",
  ],
  asks: [clearTidAddress],

  collect(thread, core) {
    const isCompat = runsCompatCode(thread.registers);
    if (thread.registers.cs !== USER_CS && !isCompat) throw otherSegment(thread);
    findCall(thread);
    const state = resumed(asCalled(thread.registers, thread.tracee.timedCall?.number));
    core.threadInfo = create(ThreadInfoX86Schema, {
      clearTidAddr: thread.answers.of(clearTidAddress).value,
      gpregs: create(UserX86RegsEntrySchema, isCompat ? compatRegisters(state) : nativeRegisters(state)),
      tls: TLS_ENTRIES.flatMap((entry) => threadArea(thread.tracee, entry)),
    });
  },

  validate(core) {
    if (isCompatCore(core) && !runs32BitCode()) throw compatCode(core);
  },

  apply({ inside, tracee }, core) {
    const info = core.threadInfo;
    if (info === undefined) return;
    inside.later(remote.set_tid_address(info.clearTidAddr));
    for (const entry of info.tls) if (entry.usable) setThreadArea(tracee, entry);
  },
};

/** The registers in the image; those that an image cannot know (none today) stay as the thread has them. */
export function registersOf(core: CoreEntry, now: Registers): Registers {
  const saved = core.threadInfo?.gpregs;
  if (saved === undefined) return now;
  const { origAx, fsBase, gsBase, $typeName: _type, $unknown: _unknown, mode: _mode, ...same } = saved;
  const registers = { ...same, orig_ax: origAx, fs_base: fsBase, gs_base: gsBase };
  return isCompatCore(core) ? { ...registers, ...basesOf(core), orig_ax: NOT_IN_A_SYSCALL } : registers;
}
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

/** Whether the thread runs 32-bit code. */
export const isCompatCore = (core: CoreEntry): boolean => core.threadInfo?.gpregs?.mode === UserX86RegsMode.COMPAT;

function nativeRegisters({ orig_ax, fs_base, gs_base, ...same }: Registers) {
  return { ...same, origAx: orig_ax, fsBase: fs_base, gsBase: gs_base, mode: UserX86RegsMode.NATIVE };
}

/** 32 bits of those that 32-bit code has; no others. */
function compatRegisters({ bx, cx, dx, si, di, bp, ax, orig_ax, ip, flags, sp, cs, ss, ds, es, fs, gs }: Registers) {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  return {
    ...{ r15: 0n, r14: 0n, r13: 0n, r12: 0n, r11: 0n, r10: 0n, r9: 0n, r8: 0n, fsBase: 0n, gsBase: 0n },
    ...{ bx: word(bx), cx: word(cx), dx: word(dx), si: word(si), di: word(di), bp: word(bp), ax: word(ax) },
    ...{ origAx: word(orig_ax), ip: word(ip), flags: word(flags), sp: word(sp), cs, ss, ds, es, fs, gs },
    mode: UserX86RegsMode.COMPAT,
  };
}

/** Where its segments begin: in the descriptors that it has set (set_thread_area(2)). */
function basesOf({ threadInfo }: CoreEntry) {
  const baseOf = (selector = 0n) => {
    const entry = threadInfo?.tls.find(({ entryNumber }) => BigInt(entryNumber) === selector >> 3n);
    return BigInt(entry?.baseAddr ?? 0);
  };
  return { fs_base: baseOf(threadInfo?.gpregs?.fs), gs_base: baseOf(threadInfo?.gpregs?.gs) };
}

/** Bits of the last word of struct user_desc: arch/x86/include/uapi/asm/ldt.h. */
const DESC = {
  SEG_32BIT: 1,
  CONTENTS_LOW: 2,
  CONTENTS_HIGH: 4,
  READ_EXEC_ONLY: 8,
  LIMIT_IN_PAGES: 16,
  SEG_NOT_PRESENT: 32,
  USABLE: 64,
} as const;

function threadArea({ tracer, tid }: Tracee, entry: number): UserDescT[] {
  const bytes = new Uint8Array(user_desc.sizeBytes);
  if (unless(["EIO", "EINVAL"], () => tracer.sys.ptraceGetThreadArea(tid, entry, bytes)) === undefined) return [];
  const { base_addr, limit, bits } = user_desc.decode(bytes);
  const has = (bit: number) => (bits & bit) !== 0;
  return [
    create(UserDescTSchema, {
      entryNumber: entry,
      baseAddr: base_addr,
      limit,
      seg32bit: has(DESC.SEG_32BIT),
      contentsH: has(DESC.CONTENTS_HIGH),
      contentsL: has(DESC.CONTENTS_LOW),
      readExecOnly: has(DESC.READ_EXEC_ONLY),
      limitInPages: has(DESC.LIMIT_IN_PAGES),
      segNotPresent: has(DESC.SEG_NOT_PRESENT),
      usable: has(DESC.USABLE),
    }),
  ];
}

function setThreadArea({ tracer, tid }: Tracee, entry: UserDescT): void {
  const bits =
    (entry.seg32bit ? DESC.SEG_32BIT : 0) |
    (entry.contentsL ? DESC.CONTENTS_LOW : 0) |
    (entry.contentsH ? DESC.CONTENTS_HIGH : 0) |
    (entry.readExecOnly ? DESC.READ_EXEC_ONLY : 0) |
    (entry.limitInPages ? DESC.LIMIT_IN_PAGES : 0) |
    (entry.segNotPresent ? DESC.SEG_NOT_PRESENT : 0) |
    DESC.USABLE;
  const { entryNumber, baseAddr, limit } = entry;
  tracer.sys.ptraceSetThreadArea(
    tid,
    entryNumber,
    user_desc.encode({ entry_number: entryNumber, base_addr: baseAddr, limit, bits }),
  );
}

function compatCode({ tc }: CoreEntry): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore",
    subject: { kind: "host", what: tc?.comm ?? "a thread" },
    reason: "it runs 32-bit code, which this machine does not",
    remedy: "restore it on a machine that runs 32-bit code: stasis check --feature compat_cr",
  });
}

function otherSegment({ process: { pid, comm }, registers: { cs } }: DumpedThread): StasisError {
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `it runs code of a segment of its own (cs 0x${cs.toString(16)})`,
    remedy: "try again when it has left that",
  });
}
