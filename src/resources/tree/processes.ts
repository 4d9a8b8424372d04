// The process tree: pstree.img (depth first, parents before children) and what core-PID.img says of a process as a whole.
import { create } from "@bufbuild/protobuf";
import {
  type CoreEntry,
  CoreEntry_March,
  CoreEntrySchema,
  type PstreeEntry,
  PstreeEntrySchema,
  TaskCoreEntrySchema,
  ThreadCoreEntrySchema,
} from "../../images/format/entries.js";
import { TaskState } from "../../images/format/numbers.js";
import type { FrozenProcess, FrozenTask, Zombie } from "../../tracee/freeze.js";
import type { DumpedProcess } from "../kind.js";

/** One entry a process; the root's parent is nobody. */
export function processEntries(tasks: readonly FrozenTask[]): PstreeEntry[] {
  const root = tasks[0]?.pid;
  return tasks.map((task) =>
    create(PstreeEntrySchema, {
      pid: task.pid,
      ppid: task.pid === root ? 0 : task.stat.ppid,
      pgid: task.stat.pgrp,
      sid: task.stat.session,
      threads: task.state === "alive" ? withLeader(task) : [task.pid],
    }),
  );
}

/** Also of a process whose leader has ended. */
function withLeader({ pid, threads }: FrozenProcess): number[] {
  return [pid, ...threads.filter(({ isLeader }) => !isLeader).map(({ tid }) => tid)];
}

/** The core of a thread with what identifies it; task parts fill in the rest. */
export function emptyCore(process: DumpedProcess, isLeader: boolean): CoreEntry {
  const core = create(CoreEntrySchema, { mtype: CoreEntry_March.X86_64, threadCore: create(ThreadCoreEntrySchema) });
  if (!isLeader) return core;
  core.tc = create(TaskCoreEntrySchema, {
    taskState: TaskState.ALIVE,
    exitCode: 0,
    personality: 0,
    flags: process.stat.flags >>> 0,
    blkSigset: 0n,
    comm: process.comm,
  });
  // CRIU dumps no process without its first thread. Ours is told by a core that has no registers, which CRIU refuses to restore.
  if (process.threads[0]?.isLeader !== true) {
    core.threadCore = create(ThreadCoreEntrySchema, { futexRla: 0n, futexRlaLen: 0 });
    core.tc.exitCode = process.stat.exitCode;
  }
  if (process.stoppedBy !== undefined) setStopped(core, process.stoppedBy);
  return core;
}

export function setStopped({ tc }: CoreEntry, signal: number): void {
  if (tc === undefined) return;
  tc.taskState = TaskState.STOPPED;
  tc.stopSigno = signal;
}

/** A zombie has nothing left but how it ended. */
export function zombieCore({ comm, stat }: Zombie): CoreEntry {
  return create(CoreEntrySchema, {
    mtype: CoreEntry_March.X86_64,
    tc: create(TaskCoreEntrySchema, {
      taskState: TaskState.DEAD,
      exitCode: stat.exitCode,
      personality: 0,
      flags: stat.flags >>> 0,
      blkSigset: 0n,
      comm,
    }),
  });
}
