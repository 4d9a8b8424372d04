// What a process does on each signal: rt_sigaction(2). core_entry.tc.sigactions has 62, SIGKILL and SIGSTOP left out.
import { create } from "@bufbuild/protobuf";
import { type CoreEntry, type SaEntry, SaEntrySchema } from "../../images/format/entries.js";
import { k_sigaction, SIG, SIG_IGN, SIGNAL_COUNT, SIGSET_BYTES } from "../../kernel/abi/signal.js";
import { asAddress, NULL } from "../../kernel/brand.js";
import { syscalls } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const settable = Array.from({ length: SIGNAL_COUNT }, (_, index) => index + 1).filter(
  (signal) => signal !== SIG.SIGKILL && signal !== SIG.SIGSTOP,
);
const SIZE = BigInt(k_sigaction.sizeBytes);
const questions = settable.map((signal) =>
  asksFor(k_sigaction, (at) => remote.rt_sigaction(signal, NULL, at, SIGSET_BYTES)),
);

export const signalActions: TaskPart = {
  name: "signal actions",
  of: "process",
  stage: "last",
  asks: questions,

  collect({ answers }, core) {
    if (core.tc === undefined) return;
    core.tc.sigactions = questions.map((question) => {
      const { handler, flags, restorer, mask } = answers.of(question);
      return create(SaEntrySchema, { sigaction: handler, flags, restorer, mask });
    });
  },

  /**
   * First the default for every signal: on a signal whose default is to be ignored that also throws away what is pending, such as
   * the SIGCHLD of tasks that ended during the restore (kernel/signal.c, do_sigaction()).
   */
  apply({ inside }, core) {
    const actions = core.tc?.sigactions ?? [];
    using none = inside.holding(new Uint8Array(k_sigaction.sizeBytes));
    inside.run(settable.map((signal) => remote.rt_sigaction(signal, none.at, NULL, SIGSET_BYTES)));
    const wanted = actions
      .map((action, index) => ({ action, signal: settable[index] ?? 0 }))
      .filter(({ action }) => !isDefault(action));
    using room = inside.holding(Buffer.concat([new Uint8Array(), ...wanted.map(({ action }) => encode(action))]));
    inside.run(
      wanted.map(({ signal }, index) =>
        remote.rt_sigaction(signal, asAddress(room.at + BigInt(index) * SIZE), NULL, SIGSET_BYTES),
      ),
    );
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

function isDefault({ sigaction, flags, mask }: SaEntry): boolean {
  return sigaction === 0n && flags === 0n && mask === 0n;
}

function encode({ sigaction, flags, restorer, mask }: SaEntry): Uint8Array {
  return k_sigaction.encode({ handler: sigaction, flags, restorer, mask });
}
