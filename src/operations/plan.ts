// What a restore has to build, read from the images and checked before anything is made.

import type { ImageDirectory } from "../images/directory.js";
import { AlikeMessages } from "../images/format/alike.js";
import {
  type CoreEntry,
  CoreEntry_March,
  type FdinfoEntry,
  type FileLockEntry,
  type FsEntry,
  type InventoryEntry,
  type MmEntry,
  type PstreeEntry,
  type TaskKobjIdsEntry,
} from "../images/format/entries.js";
import { TaskState, VmaStatus } from "../images/format/numbers.js";
import { PAGE_SIZE, TASK_SIZE } from "../kernel/abi/mman.js";
import { type Address, asAddress, asPid, type Pid } from "../kernel/brand.js";
import { StasisError } from "../report/error.js";
import { SavedLocks } from "../resources/files/locks.js";

interface Planned {
  readonly pid: Pid;
  readonly comm: string;
  readonly pgid: number;
  readonly sid: number;
  readonly core: CoreEntry;
  readonly children: PlannedTask[];
}
export interface PlannedProcess extends Planned {
  readonly state: "alive" | "stopped";
  readonly ids: TaskKobjIdsEntry;
  readonly mm: MmEntry;
  readonly fs: FsEntry;
  readonly descriptors: readonly FdinfoEntry[];
  /** Locks and leases that it took. */
  readonly locks: readonly FileLockEntry[];
  /** Its first thread has ended: its core has no registers. */
  readonly isLeaderGone: boolean;
  /** The leader is not among them. */
  readonly threads: readonly { readonly tid: Pid; readonly core: CoreEntry }[];
}
export interface PlannedZombie extends Planned {
  readonly state: "zombie";
}
export type PlannedTask = PlannedProcess | PlannedZombie;

/** Reads pstree.img and all that belongs to each task. Throws StasisError IMAGE_... */
export function readPlan(images: ImageDirectory, inventory: InventoryEntry): PlannedProcess {
  const entries = images.read("pstree", undefined);
  const tasks = new Map<number, PlannedTask>();
  const locks = new SavedLocks(images);
  const alike = entries.length > 1 ? new AlikeMessages() : undefined;
  let root: PlannedTask | undefined;
  for (const [record, entry] of entries.entries()) {
    const task = readTask(entry, record, { images, locks, alike });
    if (tasks.has(task.pid)) throw broken(record, `pid ${task.pid} is there twice`);
    const parent = tasks.get(entry.ppid);
    if (record === 0) root = task;
    else if (parent === undefined)
      throw broken(record, `the parent ${entry.ppid} of pid ${task.pid} does not come before it`);
    else parent.children.push(task);
    tasks.set(task.pid, task);
  }
  locks.checkAllTaken();
  if (root === undefined) throw broken(0, "it holds no process");
  if (root.state === "zombie") throw broken(0, "its root is a zombie");
  checkNamespaces(inventory, [...tasks.values()]);
  return root;
}

/** All tasks under one, itself first. */
export function* allOf(task: PlannedTask): Generator<PlannedTask> {
  yield task;
  for (const child of task.children) yield* allOf(child);
}
export function* processesOf(root: PlannedTask): Generator<PlannedProcess> {
  for (const task of allOf(root)) if (task.state !== "zombie") yield task;
}

interface Reading {
  readonly images: ImageDirectory;
  readonly locks: SavedLocks;
  /** Undefined: there is one task alone. */
  readonly alike: AlikeMessages | undefined;
}

function readTask(entry: PstreeEntry, record: number, { images, locks, alike }: Reading): PlannedTask {
  if (entry.pid <= 0) throw broken(record, `a pid of ${entry.pid} cannot be`);
  const pid = asPid(entry.pid);
  const core = images.readOne("core", pid, alike);
  if (core.mtype !== CoreEntry_March.X86_64)
    throw incomplete(`core-${pid}.img`, "it is of a machine that is no x86-64");
  if (core.tc === undefined) throw incomplete(`core-${pid}.img`, "it has no part for the process as a whole");
  const common = { pid, comm: core.tc.comm, pgid: entry.pgid, sid: entry.sid, core, children: [] };
  const { taskState } = core.tc;
  if (taskState === TaskState.DEAD || taskState === TaskState.ZOMBIE) return { ...common, state: "zombie" };
  const ids = core.ids ?? images.readOne("ids", pid);
  const descriptors = images.read("fdinfo", ids.filesId);
  const others = entry.threads.filter((tid) => tid !== entry.pid);
  const isLeaderGone = core.threadInfo === undefined;
  if (isLeaderGone && others.length === 0)
    throw incomplete(`core-${pid}.img`, "it has no registers, and no other thread is there");
  return {
    ...common,
    state: taskState === TaskState.STOPPED ? "stopped" : "alive",
    ids,
    mm: images.readOne("mm", pid, alike),
    fs: images.readOne("fs", pid, alike),
    descriptors,
    locks: locks.take(pid, descriptors),
    isLeaderGone,
    threads: others.map((tid) => ({ tid: asPid(tid), core: images.readOne("core", tid, alike) })),
  };
}

function checkNamespaces({ rootIds }: InventoryEntry, tasks: readonly PlannedTask[]): void {
  if (rootIds === undefined) return;
  const names = ["pidNsId", "netNsId", "ipcNsId", "utsNsId", "mntNsId", "userNsId", "timeNsId", "cgroupNsId"] as const;
  for (const task of tasks) {
    if (task.state === "zombie") continue;
    const other = names.find((name) => task.ids[name] !== rootIds[name]);
    if (other === undefined) continue;
    throw new StasisError({
      code: "TREE_UNSUPPORTED",
      doing: "restore",
      subject: { kind: "process", pid: task.pid, comm: task.comm },
      reason: `it lives in a ${other.slice(0, -"NsId".length)} namespace of its own, which is not supported yet`,
      remedy: "restore it with CRIU",
    });
  }
}

function broken(record: number, reason: string): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "pstree.img", record },
    reason,
  });
}

function incomplete(file: string, reason: string): StasisError {
  return new StasisError({ code: "IMAGE_INVALID", doing: "read the image", subject: { kind: "image", file }, reason });
}

const LOWEST = 0x100000n;

/** An address range that no task of the tree uses, for the stub and its scratch memory. */
export function findFreeRegion(root: PlannedProcess, lengthBytes: bigint): Address {
  // Those that are alike are one object.
  const spaces = new Set([...processesOf(root)].map(({ mm }) => mm));
  const used = [...spaces].flatMap(({ vmas }) => vmas.filter((vma) => (vma.status & VmaStatus.AREA_VSYSCALL) === 0));
  used.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  let at = LOWEST;
  for (const { start, end } of used) {
    if (start >= at + lengthBytes) return asAddress(at);
    if (end > at) at = (end + GUARD - 1n) & -GUARD;
  }
  if (at + lengthBytes > TASK_SIZE) throw incomplete("mm.img", "the tasks leave no room for the restore");
  return asAddress(at);
}
/** Distance kept from mappings below, which may be stacks' neighbours or heaps. */
const GUARD = 0x100000n;

/** The memory that will be read from the images. */
export function bytesIn(images: ImageDirectory, root: PlannedProcess): number {
  let bytes = 0n;
  for (const { pid } of processesOf(root)) {
    using pages = images.pagesReader("pagemap", pid);
    for (const { source, pageCount } of pages.ranges()) if (source === "file") bytes += BigInt(pageCount) * PAGE_SIZE;
  }
  return Number(bytes);
}
