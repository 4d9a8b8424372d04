// A thread that called vfork(2), as posix_spawn(3) does, sleeps until its child calls execve(2) or ends, and cannot be stopped before:
// kernel/fork.c, wait_for_vfork_done().
import { KCMP } from "../kernel/abi/process.js";
import type { Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { readStat } from "../kernel/proc/stat.js";
import { listChildren } from "../kernel/proc/tasks.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import type { ThreadName } from "./tracee.js";

const SAME = 0;

/** The children that a thread may be waiting for so: those that have its memory. None: it can be stopped. */
export function vforkChildren({ pid, tid }: ThreadName): Pid[] {
  if (readStat(tid)?.state !== "D") return [];
  return listChildren(pid).filter(
    (child) => unless("ESRCH", () => sys.kcmp(pid, child, KCMP.KCMP_VM, 0n, 0n)) === SAME,
  );
}

export function waitsForChild({ pid, tid, comm }: ThreadName, child: Pid): StasisError {
  return new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "freeze",
    subject: { kind: "process", pid, comm },
    reason: `its thread ${tid} waits in vfork(2) for its child ${child}, which has its memory`,
    remedy: "wait until the child has called execve or has ended",
  });
}
