// Whatever was thrown, as the one kind of error that a user meets.
import { SyscallError } from "../kernel/errno.js";
import { StasisError, type Subject } from "../report/error.js";

/** For a StasisError the error itself. What was meant for nobody is a refusal of the kernel, or a bug of ours. */
export function explain(error: unknown, doing: string, subject: Subject): StasisError {
  if (error instanceof StasisError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof SyscallError)
    return new StasisError({ code: "KERNEL_REFUSED", doing, subject, reason, cause: error });
  return new StasisError({
    code: "BUG",
    doing,
    subject,
    reason: `stasis has a bug: ${reason}`,
    remedy: "please report it with the log at level 4",
    cause: error,
  });
}
