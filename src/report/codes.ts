// Every failure that a user can meet, once. docs/errors.md shows this table; a test keeps the two equal.

/**
 * refused: we could go on and will not, the target is as before; failed: the kernel or the disk said no;
 * invalid: the input is wrong; bug: ours.
 */
export type ErrorClass = "refused" | "failed" | "invalid" | "bug";

interface CodeInfo {
  readonly class: ErrorClass;
  /** What criurpc's `cr_errno` carries; 0: the field is absent. */
  readonly crErrno: number;
  readonly meaning: string;
}

const ESRCH = 3;
const EACCES = 13;
const EEXIST = 17;
const EBADRQC = 56;

export const codes = {
  BUG: { class: "bug", crErrno: 0, meaning: "stasis itself is wrong; please report it with the log" },
  CANCELLED: { class: "refused", crErrno: 0, meaning: "the client or an action script refused to go on" },
  CREDENTIALS_MISSING: { class: "refused", crErrno: 0, meaning: "a capability that the operation needs is not held" },
  FILE_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "an open file is of a kind that cannot be dumped" },
  HOST_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "the kernel or machine lacks something that is needed" },
  IMAGE_INVALID: { class: "invalid", crErrno: 0, meaning: "an image file holds something that cannot be" },
  IMAGE_MISSING: { class: "invalid", crErrno: 0, meaning: "an image file or the whole dump is not there" },
  IMAGE_TRUNCATED: { class: "invalid", crErrno: 0, meaning: "an image file ends too early" },
  IO_FAILED: { class: "failed", crErrno: 0, meaning: "the kernel refused an operation on a file, socket or directory" },
  KERNEL_REFUSED: { class: "failed", crErrno: 0, meaning: "the kernel refused a step of the operation" },
  MAPPED_FILE_CHANGED: { class: "refused", crErrno: 0, meaning: "a file that the image refers to is gone or differs" },
  MAPPING_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "a memory mapping is of a kind that cannot be dumped" },
  NO_SUCH_PROCESS: { class: "refused", crErrno: ESRCH, meaning: "the process is gone, or cannot be traced" },
  OPTION_INVALID: { class: "invalid", crErrno: EBADRQC, meaning: "an option has a value that cannot be" },
  OPTION_UNSUPPORTED: { class: "refused", crErrno: EBADRQC, meaning: "an option is known and not supported yet" },
  PEER_NOT_ALLOWED: { class: "refused", crErrno: EACCES, meaning: "the client may not ask for this" },
  PID_BUSY: { class: "refused", crErrno: EEXIST, meaning: "a pid that the restore needs is taken" },
  PROCESSOR_UNSUITABLE: {
    class: "refused",
    crErrno: 0,
    meaning: "this processor cannot stand in for the one of the dump",
  },
  PROTOCOL: { class: "invalid", crErrno: 0, meaning: "a message is malformed or comes at the wrong moment" },
  REQUEST_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "a request type is known and not supported yet" },
  TARGET_LOST: { class: "failed", crErrno: 0, meaning: "a process went away or moved while it was being worked on" },
  TASK_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "a process is in a state that cannot be dumped" },
  TREE_UNSUPPORTED: { class: "refused", crErrno: 0, meaning: "the process tree has a shape that cannot be dumped" },
  WORKER_LOST: {
    class: "failed",
    crErrno: 0,
    meaning: "the worker that served the request crashed, hung or was killed",
  },
} as const satisfies Record<string, CodeInfo>;

export type Code = keyof typeof codes;
export type CodeOf<Class extends ErrorClass> = {
  [K in Code]: (typeof codes)[K]["class"] extends Class ? K : never;
}[Code];
