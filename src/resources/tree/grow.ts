// Processes made again with their ids, parents, sessions and groups: clone3(2) set_tid, setsid(2), setpgid(2).
//
// A child is born into the session that its parent is in at that moment. So children that belong to the parent's earlier session are
// made before the parent's own setsid, the others after it. A session or group whose leader is gone is opened by a stand-in
// with the leader's id, which ends as soon as everybody is in.
import { CLONE, W } from "../../kernel/abi/process.js";
import { SIG } from "../../kernel/abi/signal.js";
import { NULL } from "../../kernel/brand.js";
import { syscalls } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { cloneTask } from "../../tracee/offspring.js";
import { waitFor } from "../../tracee/wait.js";

/** What must be known of a task to make it. */
export interface Sprout<Task> {
  readonly pid: number;
  readonly comm: string;
  readonly pgid: number;
  readonly sid: number;
  readonly children: readonly Task[];
}

/** A task that exists. */
export interface Grown<Task> {
  readonly task: Task;
  readonly inside: Inside;
}

export interface GrowOptions<Task> {
  /** The session and group that the root is born into: those of stasis itself. */
  readonly outer: { readonly sid: number; readonly pgid: number };
  /** Clone flags with which a child shares things with its parent. */
  readonly sharing: (child: Task, parent: Task) => bigint;
  /** Called before a child is forked from its parent, whose memory it gets. */
  readonly before: (child: Task, parent: Task) => void;
  /** Called for each task as soon as it exists, so that it can be ended should the rest fail. */
  readonly born: (grown: Grown<Task>) => void;
}

/** Makes the children of `parent` and all below; the parent itself exists and is in session `born`. */
export function growUnder<Task extends Sprout<Task>>(
  parent: Grown<Task>,
  born: number,
  options: GrowOptions<Task>,
): void {
  const { task, inside } = parent;
  const ownSession = task.sid === task.pid;
  const [before, after] = split(task.children, (child) => ownSession && child.sid === born && child.sid !== child.pid);
  for (const child of before) growChild(parent, child, born, options);
  if (ownSession) inside.sys.setsid();
  const session = ownSession ? task.pid : born;
  for (const child of after) growChild(parent, child, session, options);
}

function growChild<Task extends Sprout<Task>>(
  parent: Grown<Task>,
  child: Task,
  session: number,
  options: GrowOptions<Task>,
): void {
  options.before(child, parent.task);
  const inherits = child.sid === child.pid || child.sid === session || child.sid === 0;
  const inside = inherits
    ? birth(parent.inside, child, options.sharing(child, parent.task))
    : orphan(parent.inside, child);
  const grown = { task: child, inside };
  options.born(grown);
  growUnder(grown, inherits ? session : child.sid, options);
}

function birth<Task extends Sprout<Task>>(parent: Inside, child: Task, sharing: bigint): Inside {
  return cloneTask(parent, {
    tid: child.pid,
    comm: child.comm,
    flags: sharing,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
}

/** A child of a session whose leader is gone: a stand-in opens the session and makes it as its own sibling (CLONE_PARENT). */
function orphan<Task extends Sprout<Task>>(parent: Inside, child: Task): Inside {
  const standIn = cloneTask(parent, {
    tid: child.sid,
    comm: "stasis-session",
    flags: 0n,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
  try {
    standIn.sys.setsid();
    return cloneTask(standIn, {
      tid: child.pid,
      comm: child.comm,
      flags: CLONE.CLONE_PARENT,
      exitSignal: 0,
      as: "process",
    });
  } finally {
    end(standIn, parent);
  }
}

/** Ends a stand-in and has its parent reap it. */
function end(standIn: Inside, parent: Inside): void {
  standIn.aim(syscalls.exit_group.number, [0n]);
  standIn.tracee.continue();
  for (let event = waitFor(standIn.tracee.tid); event.kind !== "exited" && event.kind !== "killed"; ) {
    standIn.tracee.continue();
    event = waitFor(standIn.tracee.tid);
  }
  standIn.memory[Symbol.dispose]();
  parent.sys.wait4(standIn.tracee.tid, NULL, W.__WALL, NULL);
}

/** Puts every task into its process group; all of them exist. */
export function joinGroups<Task extends Sprout<Task>>(grown: readonly Grown<Task>[], outerPgid: number): void {
  const pids = new Set(grown.map(({ task }) => task.pid));
  for (const { task, inside } of grown) if (task.pgid === task.pid && task.sid !== task.pid) inside.sys.setpgid(0, 0);
  const standIns = new Map<number, { standIn: Inside; parent: Inside }>();
  for (const { task, inside } of grown) {
    const { pgid, pid } = task;
    // A task of the session that we were started in, in a group of ours, stays where it was born.
    if (pgid === pid || pgid === outerPgid || pgid === 0) continue;
    if (!pids.has(pgid) && !standIns.has(pgid))
      standIns.set(pgid, { standIn: openGroup(inside, pgid), parent: inside });
    joinGroup(inside, task);
  }
  for (const { standIn, parent } of standIns.values()) end(standIn, parent);
}

function openGroup(member: Inside, pgid: number): Inside {
  const standIn = cloneTask(member, {
    tid: pgid,
    comm: "stasis-group",
    flags: 0n,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
  standIn.sys.setpgid(0, 0);
  return standIn;
}

function joinGroup<Task extends Sprout<Task>>(inside: Inside, { pid, pgid, comm, sid }: Task): void {
  try {
    inside.sys.setpgid(0, pgid);
  } catch (cause) {
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: "restore",
      subject: { kind: "process", pid: inside.tracee.pid, comm },
      reason: `it cannot join process group ${pgid} in session ${sid} (pid ${pid})`,
      cause,
    });
  }
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
