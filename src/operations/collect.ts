// Everything of a frozen tree that goes into images, task by task.
import { randomUUID } from "node:crypto";
import type { ImageDirectory } from "../images/directory.js";
import type { CoreEntry, MmEntry } from "../images/format/entries.js";
import { O } from "../kernel/abi/fcntl.js";
import { PIDFD_THREAD } from "../kernel/abi/process.js";
import { AT_FDCWD, asPid, type Fd } from "../kernel/brand.js";
import { readMappings } from "../kernel/proc/maps.js";
import { readThreadStatus } from "../kernel/proc/status.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { EpollWatches } from "../resources/files/epoll.js";
import { Fifos } from "../resources/files/fifo.js";
import { FileLocks } from "../resources/files/locks.js";
import { Memfds } from "../resources/files/memfd.js";
import { Pipes } from "../resources/files/pipe.js";
import { Ghosts } from "../resources/files/regular/ghost.js";
import { LinkRemaps } from "../resources/files/regular/links.js";
import { PacketSockets } from "../resources/files/sockets/packet.js";
import { TcpConnections } from "../resources/files/sockets/tcp-connections.js";
import { UnixSockets } from "../resources/files/sockets/unix.js";
import { FileTable } from "../resources/files/table.js";
import { Terminals } from "../resources/files/tty/terminals.js";
import type { DumpContext, DumpedProcess } from "../resources/kind.js";
import { collectLayout, layoutQuestions } from "../resources/memory/layout.js";
import { collectMappings } from "../resources/memory/mappings.js";
import { SharedMemory } from "../resources/memory/shared.js";
import { Segments } from "../resources/memory/shm.js";
import { onceFor } from "../resources/once.js";
import { taskParts } from "../resources/task/index.js";
import { DumpedFilters } from "../resources/task/seccomp-dumped.js";
import { Cgroups } from "../resources/tree/cgroups.js";
import { collectClocks } from "../resources/tree/clocks.js";
import { collectFilesystem } from "../resources/tree/filesystem.js";
import { Identities } from "../resources/tree/identities.js";
import { emptyCore, processEntries, zombieCore } from "../resources/tree/processes.js";
import { type Entered, Foothold } from "../tracee/foothold.js";
import type { FrozenProcess, FrozenTask } from "../tracee/freeze.js";
import { TargetMemory } from "../tracee/memory.js";
import { Answers } from "../tracee/questions.js";
import type { Tracee } from "../tracee/tracee.js";
import type { DumpRequest } from "./requests.js";

/** A process that we are inside of. */
export interface Collected {
  readonly process: DumpedProcess;
  readonly foothold: Foothold;
  readonly pagemap: Fd;
  readonly core: CoreEntry;
  readonly mm: MmEntry;
}

/** Sees to it that a tree gets into the images. Disposing gives back what is held of the targets. */
export class CollectedTree implements Disposable {
  readonly identities = new Identities(asPid(process.pid));
  /** A UUID of this dump. */
  readonly runId = randomUUID();
  readonly #cgroups = new Cgroups(asPid(process.pid));
  readonly #collected: Collected[] = [];
  /** The areas in all processes, those that are refused half-way too. */
  readonly #inside = new Scope();
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
    };
  }

  /** All but the contents of memory. */
  collect(): void {
    this.#checkSession();
    for (const task of this.tasks) {
      if (task.state === "zombie") this.images.writeLater("core", task.pid, [zombieCore(task)]);
      else this.#collectProcess(task);
    }
    this.#context.once(UnixSockets).write();
    this.#context.once(EpollWatches).find();
    this.connections.write(this.images);
    this.#context.files.write();
    this.#context.once(Memfds).write();
    this.#context.once(Segments).write(this.identities.own.ipcNsId);
    this.#context.once(Ghosts).write();
    this.#context.once(Pipes).write();
    this.#context.once(Fifos).write();
    this.#context.once(FileLocks).write();
    this.#context.once(Terminals).write(this.tasks);
    this.images.writeLater("pstree", undefined, processEntries(this.tasks));
    this.images.writeLater("timens", 0, [collectClocks()]);
    this.#context.once(DumpedFilters).write();
  }

  /** A root that is no session leader would come back into a session that is not its own. */
  #checkSession(): void {
    const root = this.tasks[0];
    if (root === undefined || root.stat.session === root.pid || this.request.options.shellJob) return;
    throw new StasisError({
      code: "TREE_UNSUPPORTED",
      doing: "dump",
      subject: { kind: "process", pid: root.pid, comm: root.comm },
      reason: `it is not the leader of its session (${root.stat.session}), so its session and terminal are outside of the tree`,
      remedy: "pass --shell-job, or start it with setsid",
    });
  }

  #collectProcess(task: FrozenProcess): void {
    const ids = this.identities.of(task);
    if (this.request.options.cgroups === "refuse") this.#cgroups.check(task);
    const { pid, living } = task;
    const status = readThreadStatus(pid, living);
    const [first] = task.threads;
    if (status === undefined || first === undefined) throw new RangeError(`a stopped task ${pid} has no status`);
    const memory = this.#opened.use(new TargetMemory(living));
    const process: DumpedProcess = {
      ...task,
      status,
      memory,
      mappings: readMappings(living),
      pidfd: this.#hold(sys.pidfd_open(living, first.isLeader ? 0 : PIDFD_THREAD)),
    };
    const pagemap = this.#hold(sys.openat(AT_FDCWD, `/proc/${living}/pagemap`, O.O_CLOEXEC, 0));
    const foothold = Foothold.plant(first, memory, process.mappings);
    this.#inside.defer(() => foothold.remove());
    const { core, mm } = this.#collectThreads(process, foothold, pagemap);
    mm.vmas = collectMappings(process, pagemap, this.#context);
    this.images.writeLater("ids", task.pid, [ids]);
    this.images.writeLater("fs", task.pid, [collectFilesystem(process, this.#context)]);
    this.#context.files.collectDescriptors(process, ids.filesId);
    this.#context.once(PacketSockets).resolveRings(process, mm.vmas);
    this.images.writeLater("mm", task.pid, [mm]);
    core.ids = ids;
    this.images.writeLater("core", task.pid, [core]);
  }

  #hold(fd: Fd): Fd {
    this.#opened.defer(() => sys.close(fd));
    return fd;
  }

  #collectThreads(process: DumpedProcess, foothold: Foothold, pagemap: Fd): Collected {
    const [first] = process.threads;
    if (first === undefined) throw new RangeError("a process without threads");
    const { core, mm } = this.#collectLeader(process, first, foothold);
    const collected = { process, foothold, pagemap, core, mm };
    this.#collected.push(collected);
    for (const thread of process.threads)
      if (!thread.isLeader)
        this.images.writeLater("core", thread.tid, [this.#collectThread(process, thread, foothold)]);
    return collected;
  }

  /** `first`: the leader, or the thread that speaks for the process when that has ended. */
  #collectLeader(process: DumpedProcess, first: Tracee, foothold: Foothold): { core: CoreEntry; mm: MmEntry } {
    using inside = foothold.enter(first);
    const core = emptyCore(process, true);
    const parts = taskParts.filter((part) => first.isLeader || part.of === "process" || part.outlives);
    const answers = new Answers(inside, [...parts.flatMap(({ asks = [] }) => asks), ...layoutQuestions]);
    const status = readThreadStatus(process.pid, process.pid) ?? process.status;
    const thread = { process, tracee: first, isLeader: true, inside, answers, status, ...found(inside) };
    for (const part of parts) part.collect(thread, core, this.#context);
    return { core, mm: collectLayout(thread, this.#context) };
  }

  #collectThread(process: DumpedProcess, tracee: Tracee, foothold: Foothold): CoreEntry {
    using inside = foothold.enter(tracee);
    const core = emptyCore(process, false);
    const status = readThreadStatus(process.pid, tracee.tid);
    if (status === undefined) throw new RangeError(`a stopped thread ${tracee.tid} has no status`);
    const answers = new Answers(inside, questionsToThreads);
    const thread = { process, tracee, isLeader: false, inside, answers, status, ...found(inside) };
    for (const part of threadParts) part.collect(thread, core, this.#context);
    return core;
  }

  /** The tree is gone or stopped: what the images need outside of them has to stay. */
  keepLinks(): void {
    this.#context.once(LinkRemaps).keep();
  }

  /** Takes our area out of the processes. */
  leave(): void {
    this.#inside[Symbol.dispose]();
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

const threadParts = taskParts.filter(({ of }) => of === "thread");
const questionsToThreads = threadParts.flatMap(({ asks = [] }) => asks);

const found = ({ registers, mask }: Entered) => ({ registers, signalMask: mask });
