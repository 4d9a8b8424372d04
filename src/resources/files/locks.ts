// File locks and leases: proc_pid_fdinfo(5) shows those of an open file, OFD locks included, which proc_locks(5) gives no owner.
import type { StasisError } from "../../report/error.js";
import type { OpenFile } from "../kind.js";
import { refuseFile } from "./refuse.js";

/** The refusal for a file whose fdinfo has a lock: "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF". */
export function heldLock(file: OpenFile): StasisError {
  const kind = /^\d+: (\S+)/.exec(file.fdinfo?.fields.get("lock")?.[0] ?? "")?.[1] ?? "file";
  return refuseFile(
    file.subject,
    `a ${kind} lock is held on it`,
    "have the program release the lock; --file-locks is not supported yet",
  );
}
