// Files below /proc/PID that were opened before that task ended: remap entries of type PROCFS. On a restore a task with that pid is made,
// in whose /proc they are opened again; it ends when the tree is whole.
import { existsSync } from "node:fs";
import { CLONE } from "../../../kernel/abi/process.js";
import { SIG } from "../../../kernel/abi/signal.js";
import { asAddress, asPid } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import type { Inside } from "../../../tracee/inside.js";
import { cloneTask } from "../../../tracee/offspring.js";
import { startSeed } from "../../../tracee/seed.js";
import { awaitEnd } from "../../../tracee/wait.js";

/** /proc/PID and what is below it. */
const OF_A_TASK = /^\/proc\/(\d+)(?:\/|$)/;

export const isOfATask = (path: string): boolean => OF_A_TASK.test(path);

/** The task, gone by now, that the path of /proc is below. */
export function deadTask(path: string): number | undefined {
  const [, pid] = OF_A_TASK.exec(path) ?? [];
  return pid === undefined || existsSync(`/proc/${pid}`) ? undefined : Number(pid);
}

/** Far from where the kernel loads anything by itself. */
const REGION = asAddress(0x10000000n);

/** Makes a task with that pid; it ends with the scope. */
export function startTask(pid: number): Disposable {
  const seed = startSeed(REGION);
  try {
    const { comm } = seed.inside.tracee;
    const how = { comm, flags: CLONE.CLONE_PARENT, exitSignal: 0, as: "process" } as const;
    const task = cloneTask(seed.inside, { ...how, tid: asPid(pid) });
    return { [Symbol.dispose]: () => end(task) };
  } finally {
    end(seed.inside);
  }
}

function end({ tracee, memory }: Inside): void {
  memory[Symbol.dispose]();
  unless("ESRCH", () => sys.kill(tracee.pid, SIG.SIGKILL));
  awaitEnd(tracee.pid);
}
