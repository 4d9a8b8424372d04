// A worker that gets ready, or rehearses on while no client comes, gives way to those that serve: on a small machine each would take a
// processor from a dump that holds its target still. nice(2); Linux has it per thread: setpriority(2).
import { getPriority } from "node:os";
import { PRIO_PROCESS } from "../kernel/abi/sched.js";
import { asPid, type Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { CAP_SYS_NICE } from "../kernel/privileges.js";
import { readThreadStatus } from "../kernel/proc/status.js";
import { listThreads } from "../kernel/proc/tasks.js";
import { sys } from "../kernel/syscalls.js";

/** A tenth of what who serves gets, where both want the same processor. */
const WAY = 10;
const HIGHEST_NICE = 19;

export class Priority {
  /** `usual`: the nice value of who serves. */
  constructor(private readonly usual: number) {}

  giveWay(): void {
    giveWay(self, this.usual);
  }

  comeBack(): void {
    if (mayComeBack()) setNice(self, this.usual);
  }
}
const self = asPid(process.pid);

/** Has a process give way to those of the usual nice value. Where it could not come back it stays as it is. */
export function giveWay(pid: number, usual = getPriority()): void {
  if (mayComeBack()) setNice(asPid(pid), Math.min(HIGHEST_NICE, usual + WAY));
}

function mayComeBack(): boolean {
  const { capEff = 0n } = readThreadStatus(self, self) ?? {};
  return (capEff & (1n << BigInt(CAP_SYS_NICE))) !== 0n;
}

/** Has another process, which may have given way, run as we do. */
export function hurry(pid: number): void {
  setNice(asPid(pid), getPriority());
}

/** In all threads: those that one makes are as it is. */
function setNice(pid: Pid, nice: number): void {
  for (const tid of listThreads(pid)) unless("ESRCH", () => sys.setpriority(PRIO_PROCESS, tid, nice));
}
