// The sentence for a file that cannot be dumped.
import { StasisError, type Subject } from "../../report/error.js";

export function refuseFile(subject: Subject, reason: string, remedy: string): StasisError {
  return new StasisError({
    code: "FILE_UNSUPPORTED",
    doing: subject.kind === "file" ? "dump the file" : "dump",
    subject,
    reason,
    remedy,
  });
}
