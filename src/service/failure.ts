// Whatever was thrown, as the one kind of error that a user meets.
import { type ErrnoName, SyscallError } from "../kernel/errno.js";
import { StasisError, type Subject } from "../report/error.js";

/** For a StasisError the error itself. What was meant for nobody is a refusal of the kernel, or a bug of ours. */
export function explain(error: unknown, doing: string, subject: Subject): StasisError {
  if (error instanceof StasisError) return error;
  if (error instanceof SyscallError) return refusal(error, doing, subject);
  return new StasisError({
    code: "BUG",
    doing,
    subject,
    reason: `stasis has a bug: ${error instanceof Error ? error.message : String(error)}`,
    remedy: "please report it with the log at level 4",
    cause: error,
  });
}

const privileges = "run stasis as root; stasis check says which capabilities are missing";
const memory = "free some memory, or stop what uses it up";
/** What helps most often; anything else is in the log. */
const remedies: Readonly<Partial<Record<ErrnoName, string>>> = {
  EPERM: privileges,
  EACCES: privileges,
  ENOMEM: memory,
  EAGAIN: memory,
  ENOSPC: "make room on the disk",
  EDQUOT: "make room in the quota of the disk",
  EMFILE: "raise the limit of open files, ulimit -n",
  ENFILE: "raise fs.file-max",
  ENOSYS: "use a kernel that has this call; stasis check says what this one has",
};
const isKnown = (name: string): name is ErrnoName => Object.hasOwn(remedies, name);

/** The kernel has refused a call that is not expected to fail: in the process where it was made, if that is another one. */
function refusal(error: SyscallError, doing: string, subject: Subject): StasisError {
  const { call, shownArguments, errno, inside } = error;
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing,
    subject: inside === undefined ? subject : { kind: "process", pid: inside },
    reason: `the kernel refuses ${call}(${shownArguments.join(", ")}) with ${errno}`,
    remedy: (isKnown(errno) ? remedies[errno] : undefined) ?? "look into the log at level 4 for what came before",
    cause: error,
  });
}
