// Processes made again with their ids, parents, sessions and groups: clone3(2) set_tid, setsid(2), setpgid(2).
//
// A child is born into the session that its parent is in at that moment. So children that belong to the parent's earlier session are
// made before the parent's own setsid, the others after it. A child of another session was left by its parent (a daemon's child), and is
// made when all others are there: by a member of that session. A session or group of which nobody is there is opened by a stand-in with the
// leader's id, which ends as soon as somebody is in.
import { PR } from "../../kernel/abi/prctl.js";
import { CLONE, W } from "../../kernel/abi/process.js";
import { SIG } from "../../kernel/abi/signal.js";
import { prepared, runTogether } from "../../kernel/batch.js";
import { NULL } from "../../kernel/brand.js";
import { Scope } from "../../kernel/scope.js";
import { syscalls } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { type Birth, cloneTask, cloneTasks } from "../../tracee/offspring.js";
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
  /** Called before a child is forked; `source` is the task whose memory it gets. */
  readonly before: (child: Task, source: Task) => void;
  /** Called for each task as soon as it exists, so that it can be ended should the rest fail. */
  readonly born: (grown: Grown<Task>) => void;
  /** Called for each task that has just become the leader of a session, before it has children in it. */
  readonly led: (grown: Grown<Task>) => void;
}

/** Makes the children of `parent` and all below; the parent itself exists and is in session `born`. */
export function growUnder<Task extends Sprout<Task>>(
  parent: Grown<Task>,
  born: number,
  options: GrowOptions<Task>,
): void {
  const growth = new Growth(options);
  growth.under(parent, born);
  growth.bringOrphans();
}

class Growth<Task extends Sprout<Task>> {
  /** Who is in a session, and whose child that is. */
  readonly #members = new Map<number, { readonly grown: Grown<Task>; readonly parent: Inside | undefined }[]>();
  /** Children of a session that neither they nor their parent opened. */
  readonly #orphans: { readonly parent: Grown<Task>; readonly child: Task }[] = [];

  constructor(private readonly options: GrowOptions<Task>) {}

  under(grown: Grown<Task>, born: number, parent?: Inside): void {
    const { task, inside } = grown;
    const ownSession = task.sid === task.pid;
    const [before, after] = split(
      task.children,
      (child) => ownSession && child.sid === born && child.sid !== child.pid,
    );
    this.#children(grown, before, born);
    if (ownSession) {
      inside.sys.setsid();
      this.options.led(grown);
    }
    const session = ownSession ? task.pid : born;
    this.#members.set(session, [...(this.#members.get(session) ?? []), { grown, parent }]);
    this.#children(grown, after, session);
  }

  /** Brothers are made in one run of their parent, and each grows its own children then. */
  #children(parent: Grown<Task>, children: readonly Task[], session: number): void {
    const [heirs, orphans] = split(
      children,
      (child) => child.sid === child.pid || child.sid === session || child.sid === 0,
    );
    this.#orphans.push(...orphans.map((child) => ({ parent, child })));
    for (const child of heirs) this.options.before(child, parent.task);
    const births = heirs.map((child) => ({ ...birthOf(child, this.options.sharing(child, parent.task)), child }));
    const grown: Grown<Task>[] = [];
    cloneTasks(parent.inside, births, ({ child: task }, inside) => {
      grown.push({ task, inside });
      this.options.born({ task, inside });
    });
    for (const one of grown) this.under(one, session, parent.inside);
  }

  #add(parent: Grown<Task>, grown: Grown<Task>, session: number): void {
    this.options.born(grown);
    this.under(grown, session, parent.inside);
  }

  /** When everybody else is there: an orphan comes from a member of its session. Each may bring others. */
  bringOrphans(): void {
    while (this.#orphans.length > 0) {
      const known = this.#orphans.findIndex(({ child }) => this.#members.has(child.sid));
      for (const { parent, child } of this.#orphans.splice(Math.max(known, 0), 1))
        this.#add(parent, { task: child, inside: this.#orphan(parent, child) }, child.sid);
    }
  }

  #orphan(parent: Grown<Task>, child: Task): Inside {
    const members = this.#members.get(child.sid) ?? [];
    const sibling = members.find((member) => member.parent === parent.inside);
    const source = sibling?.grown ?? members[0]?.grown ?? parent;
    this.options.before(child, source.task);
    if (sibling !== undefined) return asSibling(source.inside, child);
    return source === parent ? fromStandIn(source.inside, child) : adopted(parent.inside, source.inside, child);
  }
}

function birthOf<Task extends Sprout<Task>>({ pid, comm }: Task, sharing: bigint): Birth {
  return { tid: pid, comm, flags: sharing, exitSignal: SIG.SIGCHLD, as: "process" };
}

function asSibling<Task extends Sprout<Task>>(sibling: Inside, { pid, comm }: Task): Inside {
  return cloneTask(sibling, { tid: pid, comm, flags: CLONE.CLONE_PARENT, exitSignal: 0, as: "process" });
}

/** A child of a session whose leader is gone: a stand-in opens the session and makes it as its own sibling (CLONE_PARENT). */
function fromStandIn<Task extends Sprout<Task>>(parent: Inside, child: Task): Inside {
  const standIn = cloneTask(parent, {
    tid: child.sid,
    comm: "stasis-session",
    flags: 0n,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
  try {
    standIn.sys.setsid();
    return asSibling(standIn, child);
  } finally {
    end(standIn, parent);
  }
}

/** A child whose session lives deeper in the tree came to its parent as to a subreaper, prctl(2), and does so again. */
function adopted<Task extends Sprout<Task>>(parent: Inside, member: Inside, child: Task): Inside {
  const between = cloneTask(member, {
    tid: 0,
    comm: "stasis-between",
    flags: 0n,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
  try {
    return cloneTask(between, birthOf(child, 0n));
  } finally {
    parent.sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
    end(between, member);
    parent.sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 0n, 0n, 0n, 0n);
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
  // The stand-in of a session leaves its group behind, too.
  const found = runTogether(grown.map(({ inside }) => prepared.getpgid(inside.tracee.pid)));
  const groups = new Map(grown.map((one, index) => [one, Number(found[index])]));
  const there = new Set(groups.values());
  using standIns = new Scope();
  for (const one of grown) {
    const { task, inside } = one;
    const { pgid, pid } = task;
    // A task of the session that we were started in, in a group of ours, stays where it was born.
    if (pgid === pid || pgid === outerPgid || pgid === 0) continue;
    if (groups.get(one) === pgid) continue;
    if (!pids.has(pgid) && !there.has(pgid)) openGroup(inside, pgid, standIns);
    there.add(pgid);
    joinGroup(inside, task);
  }
}

function openGroup(member: Inside, pgid: number, standIns: Scope): void {
  const standIn = cloneTask(member, {
    tid: pgid,
    comm: "stasis-group",
    flags: 0n,
    exitSignal: SIG.SIGCHLD,
    as: "process",
  });
  standIns.defer(() => end(standIn, member));
  standIn.sys.setpgid(0, 0);
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
