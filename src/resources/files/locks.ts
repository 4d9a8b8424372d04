// File locks held by tasks of the tree: proc_locks(5). They are refused by name until they can be carried over.
import { readFileSync } from "node:fs";
import { StasisError } from "../../report/error.js";
import type { DumpedProcess } from "../kind.js";

/** "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF": kind, mode, holder. */
const LOCK = /^\d+: (\S+)\s+\S+\s+\S+\s+(-?\d+) (\S+)/;

export function refuseHeldLocks(processes: readonly DumpedProcess[]): void {
  for (const line of readFileSync("/proc/locks", "latin1").split("\n")) {
    const [, kind, pid, inode] = LOCK.exec(line) ?? [];
    const holder = processes.find((process) => process.pid === Number(pid));
    if (holder === undefined) continue;
    throw new StasisError({
      code: "FILE_UNSUPPORTED",
      doing: "dump",
      subject: { kind: "process", pid: holder.pid, comm: holder.comm },
      reason: `it holds a ${kind} lock on the file with device and inode ${inode}`,
      remedy: "have it release the lock; --file-locks is not supported yet",
    });
  }
}
