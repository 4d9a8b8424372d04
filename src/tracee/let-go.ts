// The end of tracing. A process may die as soon as its first thread runs, by a signal that was pending or by its neighbours' hand; the others are dead
// then before they are let go, and stay zombies of ours. ptrace(2), "Death under ptrace".
import { readStat } from "../kernel/proc/stat.js";
import type { Tracee } from "./tracee.js";

/**
 * Lets stopped threads of a process go on, untraced. Of those that have died meanwhile the end is taken: until that is done nobody else is told that
 * the process has ended. That of a child of ours is left to whoever waits for it.
 */
export function letGo(threads: readonly Tracee[]): void {
  const dead = threads.filter((thread) => !thread.detachIfAlive());
  // The end of a leader is told when those of the others are taken.
  for (const thread of dead.toReversed()) if (!isOurChild(thread)) thread.awaitEnd();
}

const isOurChild = ({ isLeader, pid }: Tracee): boolean => isLeader && readStat(pid)?.ppid === process.pid;
