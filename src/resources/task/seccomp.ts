// What system calls a thread may make: seccomp(2), strict mode and filters. Modes in core-TID.img, filters in seccomp.img.
import { SeccompMode } from "../../images/format/entries.js";
import { PR } from "../../kernel/abi/prctl.js";
import { SECCOMP_MODE } from "../../kernel/abi/seccomp.js";
import type { DumpedThread, TaskPart } from "../kind.js";
import { DumpedFilters } from "./seccomp-dumped.js";
import { RestoredFilters, seccompModeOf } from "./seccomp-restored.js";

export const seccomp: TaskPart = {
  name: "seccomp",
  of: "thread",
  // A filter needs CAP_SYS_ADMIN or no_new_privs: it comes before the credentials, and judges no call of ours (suspendSeccomp).
  stage: "credentials",
  limits: [
    "a filter that asks a listener (SECCOMP_RET_USER_NOTIF) is refused",
    "of threads with different filters, those that came first and are the same in all are shared again, the others are not",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW is not carried over: the kernel does not tell it",
  ],

  collect(thread, core, context) {
    if (core.threadCore === undefined || thread.status.seccomp === SECCOMP_MODE.DISABLED) return;
    if (context.options.noSeccomp) {
      context.log.warn(`pid ${thread.process.pid}: its seccomp state is left out, as no_seccomp says`);
      return;
    }
    const mode = modeOf(thread);
    if (mode === SeccompMode.strict) core.threadCore.seccompMode = mode;
    if (mode !== SeccompMode.filter) return;
    const first = context.once(DumpedFilters).firstOf(thread);
    if (first === undefined) return;
    core.threadCore.seccompMode = mode;
    core.threadCore.seccompFilter = first;
  },

  validate(core, context) {
    context.once(RestoredFilters).check(core);
  },

  apply(thread, core, context) {
    context.once(RestoredFilters).install(thread);
    if (seccompModeOf(core) !== SeccompMode.strict) return;
    thread.tracee.suspendSeccomp();
    thread.inside.sys.prctl(PR.PR_SET_SECCOMP, BigInt(SECCOMP_MODE.STRICT), 0n, 0n, 0n);
  },
};

function modeOf({ status }: DumpedThread): SeccompMode {
  return status.seccomp === SECCOMP_MODE.STRICT ? SeccompMode.strict : SeccompMode.filter;
}
