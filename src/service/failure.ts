// Whatever was thrown, as the one kind of error that a user meets.
import type { Pid } from "../kernel/brand.js";
import { type ErrnoName, SyscallError } from "../kernel/errno.js";
import { StasisError, type Subject } from "../report/error.js";

/** For a StasisError the error itself. What was meant for nobody is a refusal of the kernel, or a bug of ours. */
export function explain(error: unknown, doing: string, subject: Subject): StasisError {
  if (error instanceof StasisError) return error;
  const refused = refusedCall(error);
  if (refused !== undefined) return refusal(error, refused, doing, subject);
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

/** A call that the kernel has refused. */
interface Refused {
  /** With its arguments, or what of them is known. */
  readonly call: string;
  readonly errno: string;
  /** The process where it was made; absent: ourselves. */
  readonly inside?: Pid | undefined;
}

/** Made by us, or by Node. Undefined: it is another error. */
function refusedCall(error: unknown): Refused | undefined {
  if (error instanceof SyscallError) {
    const { call, shownArguments, errno, inside } = error;
    return { call: `${call}(${shownArguments.join(", ")})`, errno, inside };
  }
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return undefined;
  const path = "path" in error ? ` of ${JSON.stringify(error.path)}` : "";
  return { call: `${error.syscall}${path}`, errno: String(error.code) };
}

/** It was not expected to fail. */
function refusal(cause: unknown, { call, errno, inside }: Refused, doing: string, subject: Subject): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing,
    subject: inside === undefined ? subject : { kind: "process", pid: inside },
    reason: `the kernel refuses ${call} with ${errno}`,
    remedy: (isKnown(errno) ? remedies[errno] : undefined) ?? "look into the log at level 4 for what came before",
    cause,
  });
}
