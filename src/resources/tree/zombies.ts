// Zombies made again: a child that ends the way the dumped one did, and waits for its parent. wait(2), core_entry exit_code.
import { PR } from "../../kernel/abi/prctl.js";
import { SIG } from "../../kernel/abi/signal.js";
import { NULL } from "../../kernel/brand.js";
import { syscalls } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";
import { waitFor } from "../../tracee/wait.js";

const SIG_DFL_ACTION = new Uint8Array(32);
const RLIMIT_CORE = 4;

/** Ends the task, named `comm`, with the wait status `exitCode`; only the note that a core was dumped is lost. */
export function becomeZombie(inside: Inside, { comm, exitCode }: { comm: string; exitCode: number }): void {
  using name = inside.text(comm);
  inside.sys.prctlAt(PR.PR_SET_NAME, name.at, 0n, 0n, 0n);
  const signal = exitCode & 0x7f;
  if (signal === 0) inside.aim(syscalls.exit_group.number, [BigInt((exitCode >> 8) & 0xff)]);
  else prepareDeath(inside, signal);
  inside.tracee.continue();
  for (;;) {
    const event = waitFor(inside.tracee.tid);
    if (event.kind === "exited" || event.kind === "killed") break;
    inside.tracee.continue(event.kind === "signal" ? event.signal : 0);
  }
  inside.memory[Symbol.dispose]();
}

/** The default action of the signal must be what happens, without a core file. */
function prepareDeath(inside: Inside, signal: number): void {
  using noCore = inside.holding(new Uint8Array(16));
  inside.sys.prlimit64(0, RLIMIT_CORE, noCore.at, NULL);
  if (signal !== SIG.SIGKILL && signal !== SIG.SIGSTOP) {
    using action = inside.holding(SIG_DFL_ACTION);
    inside.sys.rt_sigaction(signal, action.at, NULL, 8);
  }
  inside.tracee.setSignalMask(0n);
  inside.aim(syscalls.kill.number, [BigInt(inside.tracee.pid), BigInt(signal)]);
}
