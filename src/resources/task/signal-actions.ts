// What a process does on each signal: rt_sigaction(2). core_entry.tc.sigactions has 62, SIGKILL and SIGSTOP left out.
import { create } from "@bufbuild/protobuf";
import { type CoreEntry, type SaEntry, SaEntrySchema } from "../../images/format/entries.js";
import { compat_sigaction, k_sigaction, SIG, SIG_IGN, SIGSET_BYTES, settable } from "../../kernel/abi/signal.js";
import { NULL } from "../../kernel/brand.js";
import { isFailure } from "../../kernel/declare/syscall.js";
import { SyscallError } from "../../kernel/errno.js";
import { syscalls } from "../../kernel/syscalls.js";
import { compatNumber, runsCompatCode } from "../../tracee/compat.js";
import type { Inside } from "../../tracee/inside.js";
import { lowRoom } from "../../tracee/low-room.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const DEFAULT = new Uint8Array(k_sigaction.sizeBytes);
/** signal(7) */
const ignoredByDefault = [SIG.SIGCHLD, SIG.SIGCONT, SIG.SIGURG, SIG.SIGWINCH] as const;
const questions = settable.map((signal) =>
  asksFor(k_sigaction, (at) => remote.rt_sigaction(signal, NULL, at, SIGSET_BYTES)),
);

export const signalActions: TaskPart = {
  name: "signal actions",
  of: "process",
  stage: "last",
  asks: questions,

  collect({ answers, registers }, core) {
    if (core.tc === undefined) return;
    const compat = runsCompatCode(registers) ? { compatSigaction: true } : {};
    core.tc.sigactions = questions.map((question) => {
      const { handler, flags, restorer, mask } = answers.of(question);
      return create(SaEntrySchema, { sigaction: handler, flags, restorer, mask, ...compat });
    });
  },

  /**
   * The seed has given all tasks the default for every signal. Once more on a signal whose default is to be ignored: that throws away what is
   * pending, such as the SIGCHLD of tasks that ended during the restore (kernel/signal.c, do_sigaction()).
   */
  apply({ inside }, core) {
    for (const signal of ignoredByDefault) set(inside, signal, DEFAULT);
    for (const [index, action] of (core.tc?.sigactions ?? []).entries()) {
      const signal = settable[index];
      if (signal === undefined || isDefault(action)) continue;
      if (action.compatSigaction) setCompatAction(inside, signal, action);
      else set(inside, signal, encode(action));
    }
  },
};

/**
 * A trap is forced upon whoever ignores it, and then its action is the default (kernel/signal.c, force_sig_info_to_task()): our stub
 * traps. So this comes when there are no more calls to be made.
 */
export function ignoreTraps(inside: Inside, core: CoreEntry): void {
  const action = core.tc?.sigactions[settable.indexOf(SIG.SIGTRAP)];
  if (action?.sigaction !== SIG_IGN) return;
  using room = inside.holding(encode(action));
  inside.stepCall(syscalls.rt_sigaction.number, [BigInt(SIG.SIGTRAP), room.at, 0n, BigInt(SIGSET_BYTES)]);
}

function set(inside: Inside, signal: number, action: Uint8Array): void {
  inside.laterWith(action, (at) => remote.rt_sigaction(signal, at, NULL, SIGSET_BYTES));
}

/** The kernel remembers by which call an action was set, and makes the signal frames of that: arch/x86/kernel/signal.c, is_ia32_frame(). */
function setCompatAction(inside: Inside, signal: number, { sigaction, flags, restorer, mask }: SaEntry): void {
  const [handler, bits, end] = [sigaction, flags, restorer].map(Number);
  const bytes = compat_sigaction.encode({
    sa_handler: handler ?? 0,
    sa_flags: bits ?? 0,
    sa_restorer: end ?? 0,
    sa_mask: new Uint8Array(BigUint64Array.of(mask).buffer),
  });
  using room = lowRoom(inside, bytes);
  const words = [BigInt(signal), room.at, 0n, BigInt(SIGSET_BYTES)];
  const result = inside.compatCall(compatNumber.rt_sigaction, words);
  if (isFailure(result)) throw new SyscallError("rt_sigaction", -Number(result), [String(signal), "of 32-bit code"]);
}

function isDefault({ sigaction, flags, mask }: SaEntry): boolean {
  return sigaction === 0n && flags === 0n && mask === 0n;
}

function encode({ sigaction, flags, restorer, mask }: SaEntry): Uint8Array {
  return k_sigaction.encode({ handler: sigaction, flags, restorer, mask });
}
