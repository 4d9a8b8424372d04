// Whether others may look into the process: prctl(2) PR_SET_DUMPABLE. A change of credentials resets it; mm-PID.img carries it.
import { PR } from "../../kernel/abi/prctl.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";

/** SUID_DUMP_ROOT can only come about by itself. */
const settable: readonly number[] = [0, 1];

export function applyDumpable(inside: Inside, dumpable: number | undefined): void {
  if (dumpable !== undefined && settable.includes(dumpable))
    inside.later(remote.prctl(PR.PR_SET_DUMPABLE, BigInt(dumpable), 0n, 0n, 0n));
}
