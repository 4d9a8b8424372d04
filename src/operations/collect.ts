// Everything of a frozen tree that goes into images, task by task.

import { randomUUID } from "node:crypto";
import type { ImageDirectory } from "../images/directory.js";
import type { CoreEntry, MmEntry, TaskKobjIdsEntry } from "../images/format/entries.js";
import { O } from "../kernel/abi/fcntl.js";
import { PIDFD_THREAD } from "../kernel/abi/process.js";
import { SECCOMP_MODE } from "../kernel/abi/seccomp.js";
import { SIG } from "../kernel/abi/signal.js";
import { AT_FDCWD, asPid, type Fd } from "../kernel/brand.js";
import { makeRoomFor } from "../kernel/descriptor-table.js";
import { readMappings } from "../kernel/proc/maps.js";
import type { TaskStat } from "../kernel/proc/stat.js";
import { readThreadStatus } from "../kernel/proc/status.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import type { DumpOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { BpfMaps } from "../resources/files/bpf-map.js";
import { EpollWatches } from "../resources/files/epoll.js";
import { Fifos } from "../resources/files/fifo.js";
import { FileLocks } from "../resources/files/locks.js";
import { Memfds } from "../resources/files/memfd.js";
import { Pipes } from "../resources/files/pipe.js";
import { Ghosts } from "../resources/files/regular/ghost.js";
import { LinkRemaps } from "../resources/files/regular/links.js";
import { PacketSockets } from "../resources/files/sockets/packet.js";
import { SocketQueues } from "../resources/files/sockets/queues.js";
import { TcpConnections } from "../resources/files/sockets/tcp-connections.js";
import { UnixSockets } from "../resources/files/sockets/unix.js";
import { FileTable } from "../resources/files/table.js";
import { Terminals } from "../resources/files/tty/terminals.js";
import type { DumpContext, DumpedProcess } from "../resources/kind.js";
import { collectLayout, layoutQuestions } from "../resources/memory/layout.js";
import { collectMappings, supportedMappings } from "../resources/memory/mappings.js";
import { PackedVmas } from "../resources/memory/packed-vmas.js";
import { SharedMemory } from "../resources/memory/shared.js";
import { Segments } from "../resources/memory/shm.js";
import { onceFor } from "../resources/once.js";
import { taskParts } from "../resources/task/index.js";
import { DumpedFilters } from "../resources/task/seccomp-dumped.js";
import { refuseUserDispatch } from "../resources/task/user-dispatch.js";
import { Cgroups } from "../resources/tree/cgroups.js";
import { collectClocks } from "../resources/tree/clocks.js";
import { collectFilesystem } from "../resources/tree/filesystem.js";
import { Identities } from "../resources/tree/identities.js";
import { emptyCore, processEntries, setStopped, zombieCore } from "../resources/tree/processes.js";
import type { Entered } from "../tracee/entered.js";
import { placeIn } from "../tracee/errand.js";
import { Foothold } from "../tracee/foothold.js";
import type { FrozenProcess, FrozenTask } from "../tracee/freeze.js";
import { TargetMemory } from "../tracee/memory.js";
import { Answers } from "../tracee/questions.js";
import { inTurns } from "../tracee/together.js";
import type { Tracee } from "../tracee/tracee.js";
import type { DumpRequest } from "./requests.js";

/** What is kept of a process that is in the images, but for its memory. Of a thousand processes it is as often in ours. */
export interface Collected extends Pick<DumpedProcess, "pid" | "threads" | "memory"> {
  readonly foothold: Foothold;
  readonly pagemap: Fd;
  readonly vmas: PackedVmas;
  /** Memory of its own, in bytes. */
  readonly ownBytes: number;
  readonly isConfined: boolean;
  readonly isSubreaper: boolean;
}

interface LookedAt {
  readonly process: DumpedProcess;
  readonly ids: TaskKobjIdsEntry;
  /** The first of its threads. */
  readonly first: Tracee;
  readonly pagemap: Fd;
}
interface Planted extends LookedAt {
  readonly foothold: Foothold;
}
interface EnteredProcess extends Planted {
  readonly inside: Entered;
}

/** Sees to it that a tree gets into the images. Disposing gives back what is held of the targets. */
export class CollectedTree implements Disposable {
  readonly identities = new Identities(asPid(process.pid));
  /** A UUID of this dump. */
  readonly runId = randomUUID();
  readonly #cgroups = new Cgroups(asPid(process.pid));
  readonly #collected: Collected[] = [];
  /** The areas in all processes, those that are refused half-way too. */
  readonly #footholds: Foothold[] = [];
  readonly #opened = new Scope();
  readonly #context: DumpContext & { readonly files: FileTable; readonly shared: SharedMemory };

  constructor(
    readonly tasks: readonly FrozenTask[],
    readonly images: ImageDirectory,
    readonly request: DumpRequest,
  ) {
    const { log, options } = request;
    const shared = this.#opened.use(new SharedMemory());
    const files = new FileTable(() => this.#context);
    const once = onceFor<DumpContext>(() => this.#context);
    this.#context = {
      images,
      log,
      options,
      runId: this.runId,
      shared,
      files,
      once,
      scope: this.#opened,
      serviceSocket: request.peer?.socketInode,
      isRunning: false,
      attempt: (act) => act(),
    };
  }

  /** All but the contents of memory. */
  collect(): void {
    makeRoomFor(this.tasks.length * HELD_OF_A_TASK);
    const [root] = this.tasks;
    if (root !== undefined) refuseSession(root.stat, this.request.options);
    for (const tasks of inParts(this.tasks)) this.#collectTogether(tasks);
    this.#context.once(UnixSockets).check();
    this.#context.once(SocketQueues).write();
    this.#context.once(EpollWatches).find();
    this.connections.write(
      this.images,
      this.tasks.map(({ pid }) => pid),
    );
    this.#context.files.write();
    this.#context.once(Memfds).write();
    this.#context.once(Segments).write(this.identities.own.ipcNsId);
    this.#context.once(Ghosts).write();
    this.#context.once(Pipes).write();
    this.#context.once(Fifos).write();
    this.#context.once(BpfMaps).write();
    this.#context.once(FileLocks).write();
    this.#context.once(Terminals).write(this.tasks);
    this.images.writeLater("pstree", undefined, processEntries(this.tasks));
    this.images.writeLater("timens", 0, [collectClocks()]);
    this.#context.once(DumpedFilters).write();
  }

  #collectTogether(tasks: readonly FrozenTask[]): void {
    const looked: LookedAt[] = [];
    for (const task of tasks) {
      if (task.state === "zombie") this.images.writeLater("core", task.pid, [zombieCore(task)]);
      else looked.push(this.#lookAt(task));
    }
    const footholds = Foothold.plant(looked.map(({ first, process }) => placeIn(first, process)));
    this.#footholds.push(...footholds);
    const turns = inTurns([...footholds.entries()], ([, { place }]) => place.leader);
    for (const turn of turns)
      this.#collectTurn(turn.flatMap(([index, foothold]) => (looked[index] ? [{ ...looked[index], foothold }] : [])));
  }

  /** What can be seen of a process from outside. */
  #lookAt(task: FrozenProcess): LookedAt {
    const ids = this.identities.of(task);
    if (this.request.options.cgroups === "refuse") this.#cgroups.check(task);
    const { pid, living } = task;
    const status = readThreadStatus(pid, living);
    const [first] = task.threads;
    if (status === undefined || first === undefined) throw new RangeError(`a stopped task ${pid} has no status`);
    for (const thread of task.threads) refuseUserDispatch(thread);
    const process: DumpedProcess = {
      ...task,
      status,
      memory: this.#opened.use(new TargetMemory(living)),
      mappings: readMappings(living),
      pidfd: this.#hold(sys.pidfd_open(living, first.isLeader ? 0 : PIDFD_THREAD)),
    };
    supportedMappings(process, this.#context);
    this.#context.files.expect(process);
    const pagemap = this.#hold(sys.openat(AT_FDCWD, `/proc/${living}/pagemap`, O.O_CLOEXEC, 0));
    return { ids, first, process, pagemap };
  }

  #hold(fd: Fd): Fd {
    this.#opened.defer(() => sys.close(fd));
    return fd;
  }

  /** Enters all processes, asks all of them, then goes through them one by one. */
  #collectTurn(turn: readonly Planted[]): void {
    using scope = new Scope();
    const entered = turn.map((one) => ({ ...one, inside: scope.use(one.foothold.enter(one.first)) }));
    const answers = Answers.of(entered.map(({ first, inside }) => ({ inside, questions: questionsTo(first) })));
    for (const [index, one] of entered.entries()) {
      const its = answers[index];
      if (its !== undefined) this.#collectProcess(one, its);
      this.request.progress?.({ operation: "dump", doneBytes: 0, totalBytes: 0 });
    }
  }

  #collectProcess({ ids, first, process, pagemap, foothold, inside }: EnteredProcess, answers: Answers): void {
    const { core, mm } = this.#collectLeader(process, first, inside, answers);
    this.#context.files.lookFromInside(process, ids.filesId, inside);
    // Its other threads work in the same area.
    inside[Symbol.dispose]();
    for (const thread of process.threads)
      if (!thread.isLeader)
        this.images.writeLater("core", thread.tid, [this.#collectThread(process, thread, foothold)]);
    this.images.writeLater("ids", process.pid, [ids]);
    this.images.writeLater("fs", process.pid, [collectFilesystem(process, this.#context)]);
    // Before the files of mappings, which are opened: descriptors tell of the leases on them.
    this.#context.files.collectDescriptors(process, ids.filesId);
    mm.vmas = collectMappings(process, pagemap, this.#context);
    this.#context.once(PacketSockets).resolveRings(process, mm.vmas);
    this.images.writeLater("mm", process.pid, [mm]);
    core.ids = ids;
    this.images.writeLater("core", process.pid, [core]);
    const { pid, threads, memory, status } = process;
    this.#collected.push({
      ...{ pid, threads, memory, foothold, pagemap },
      vmas: new PackedVmas(mm.vmas),
      ownBytes: status.rssAnonBytes + status.swappedBytes,
      isConfined: status.seccomp !== SECCOMP_MODE.DISABLED,
      isSubreaper: core.tc?.childSubreaper === true,
    });
  }

  /** `first`: the leader, or the thread that speaks for the process when that has ended. */
  #collectLeader(
    process: DumpedProcess,
    first: Tracee,
    inside: Entered,
    answers: Answers,
  ): { core: CoreEntry; mm: MmEntry } {
    const core = emptyCore(process, true);
    // Once more: that our area is locked tells that what will be mapped is.
    const status = readThreadStatus(process.pid, process.pid) ?? process.status;
    const thread = { process, tracee: first, isLeader: true, inside, answers, status, ...found(inside) };
    for (const part of partsOf(first)) part.collect(thread, core, this.#context);
    return { core, mm: collectLayout(thread, this.#context) };
  }

  #collectThread(process: DumpedProcess, tracee: Tracee, foothold: Foothold): CoreEntry {
    using inside = foothold.enter(tracee);
    const core = emptyCore(process, false);
    const status = readThreadStatus(process.pid, tracee.tid);
    if (status === undefined) throw new RangeError(`a stopped thread ${tracee.tid} has no status`);
    const [answers] = Answers.of([{ inside, questions: questionsToThreads }]);
    if (answers === undefined) throw new RangeError("a thread that was not asked");
    const thread = { process, tracee, isLeader: false, inside, answers, status, ...found(inside) };
    for (const part of threadParts) part.collect(thread, core, this.#context);
    return core;
  }

  /** The dump has succeeded: what the images need outside of them has to stay. */
  keepLinks(): void {
    this.#context.once(LinkRemaps).keep();
  }

  /** Takes our area out of the processes. */
  leave(): void {
    using all = new Scope();
    for (const footholds of inParts(this.#footholds.splice(0))) all.defer(() => Foothold.remove(footholds));
  }

  /** Of SIGSTOP that came after the processes were frozen, which cannot be blocked: nobody sends it again when they are killed. */
  noteStops(): void {
    for (const { pid, threads } of this.#collected)
      if (threads.some(({ stopIsHeld }) => stopIsHeld))
        this.images.amend("core", pid, (core) => setStopped(core, SIG.SIGSTOP));
  }

  /** The processes are dead: nothing is left to be taken out of them. */
  bury(): void {
    this.#footholds.length = 0;
  }

  get collected(): readonly Collected[] {
    return this.#collected;
  }

  get connections(): TcpConnections {
    return this.#context.once(TcpConnections);
  }

  get shared(): SharedMemory {
    return this.#context.shared;
  }

  [Symbol.dispose](): void {
    this.leave();
    this.#opened[Symbol.dispose]();
  }
}

/** A root that is no session leader would come back into a session that is not its own. */
export function refuseSession({ pid, comm, session }: TaskStat, { shellJob }: DumpOptions): void {
  if (session === pid || shellJob) return;
  throw new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid: asPid(pid), comm },
    reason: `it is not the leader of its session (${session}), so its session and terminal are outside of the tree`,
    remedy: "pass --shell-job, or start it with setsid",
  });
}

/** Its memory, its pagemap, its pidfd. */
const HELD_OF_A_TASK = 3;
/** How many processes are worked in at the same time: each has some 20 KiB of our memory meanwhile. */
const AT_ONCE = 32;

function* inParts<T>(items: readonly T[]): Generator<T[]> {
  for (let from = 0; from < items.length; from += AT_ONCE) yield items.slice(from, from + AT_ONCE);
}

const partsOf = ({ isLeader }: Tracee) =>
  taskParts.filter((part) => isLeader || part.of === "process" || part.outlives);
const questionsTo = (first: Tracee) => [...partsOf(first).flatMap(({ asks = [] }) => asks), ...layoutQuestions];
const threadParts = taskParts.filter(({ of }) => of === "thread");
const questionsToThreads = threadParts.flatMap(({ asks = [] }) => asks);

const found = ({ registers, mask }: Entered) => ({ registers, signalMask: mask });
