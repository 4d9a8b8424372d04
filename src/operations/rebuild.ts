// One process of a restore, from an empty task to the program that it was.

import type { ImageDirectory } from "../images/directory.js";
import type { VmaEntry } from "../images/format/entries.js";
import { VmaStatus } from "../images/format/numbers.js";
import { O, O_RDONLY } from "../kernel/abi/fcntl.js";
import { CLONE } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { asAddress, asPid, type Fd, type TargetFd } from "../kernel/brand.js";
import { readStat } from "../kernel/proc/stat.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import { applyLock } from "../resources/files/locks.js";
import { RestoredMemfds } from "../resources/files/memfd-restored.js";
import type { RestoredFileTable } from "../resources/files/restored-table.js";
import type { RestoreContext, RestoredProcess, RestoredThread, Stage, TaskPart } from "../resources/kind.js";
import { restoreRings } from "../resources/memory/aio.js";
import { applyLayout } from "../resources/memory/layout.js";
import { fillMemory, finishMemory } from "../resources/memory/restore.js";
import type { RestoredSharedMemory } from "../resources/memory/restored-shared.js";
import { attachSegments, isShmVma } from "../resources/memory/shm-attach.js";
import { RestoredSegments } from "../resources/memory/shm-restored.js";
import { restoreVdso, savedVdso } from "../resources/memory/vdso.js";
import { applyDumpable } from "../resources/task/dumpable.js";
import { setFloatingPoint } from "../resources/task/floating-point.js";
import { hasTraps, queueTraps } from "../resources/task/pending-signals.js";
import { registersOf } from "../resources/task/registers.js";
import { ignoreTraps } from "../resources/task/signal-actions.js";
import { maskOf } from "../resources/task/signal-mask.js";
import { applyFilesystem } from "../resources/tree/filesystem.js";
import type { Inside } from "../tracee/inside.js";
import { cloneTask } from "../tracee/offspring.js";
import { type Parked, REGION_BYTES } from "../tracee/seed.js";
import type { PlannedProcess } from "./plan.js";

export interface Surroundings {
  readonly images: ImageDirectory;
  readonly context: RestoreContext & { readonly files: RestoredFileTable };
  readonly shared: RestoredSharedMemory;
  /** Where the kernel's own mappings wait in each task. */
  readonly parked: readonly Parked[];
  /** Ids of descriptor tables (CLONE_FILES) that are complete. */
  readonly filledTables: Set<number>;
}

/** Flags of a thread as pthread_create(3) makes it. */
const THREAD =
  CLONE.CLONE_VM | CLONE.CLONE_FS | CLONE.CLONE_FILES | CLONE.CLONE_SIGHAND | CLONE.CLONE_THREAD | CLONE.CLONE_SYSVSEM;
const HIGHEST_FD = 0xffffffff;

export class Rebuilt implements RestoredProcess, Disposable {
  readonly threads: RestoredThread[];
  readonly leader: RestoredThread;

  constructor(
    readonly plan: PlannedProcess,
    readonly inside: Inside,
    private readonly around: Surroundings,
  ) {
    this.leader = { process: this, tracee: inside.tracee, isLeader: true, inside, core: plan.core };
    this.threads = plan.isLeaderGone ? [] : [this.leader];
  }

  get pid() {
    return this.plan.pid;
  }
  get comm() {
    return this.plan.comm;
  }
  get core() {
    return this.plan.core;
  }
  get memory() {
    return this.inside.memory;
  }

  apply(stage: Stage, parts: readonly TaskPart[]): void {
    for (const part of parts) {
      if (part.stage !== stage) continue;
      if (part.of === "process") part.apply(this.#speaker, this.core, this.around.context);
      else for (const thread of this.#threadsWith(part)) part.apply(thread, thread.core, this.around.context);
    }
  }

  #threadsWith(part: TaskPart): readonly RestoredThread[] {
    const isOutlived = part.outlives === true && !this.threads.includes(this.leader);
    return isOutlived ? [this.leader, ...this.threads] : this.threads;
  }

  /** The thread that calls for the process as a whole: the leader, as long as it is there. */
  get #speaker(): RestoredThread {
    return this.#leaderHasEnded ? (this.threads[0] ?? this.leader) : this.leader;
  }
  #leaderHasEnded = false;

  /**
   * A leader that had ended does so again, untraced, so that its wait status is its parent's. Before the death signals of children are set: one
   * that it made would be sent its own (kernel/exit.c, forget_original_parent()).
   */
  endLeader(): void {
    if (!this.plan.isLeaderGone) return;
    this.inside.aim(syscalls.exit.number, [BigInt(((this.core.tc?.exitCode ?? 0) >> 8) & 0xff)]);
    this.inside.tracee.detach();
    while (readStat(this.pid)?.state !== "Z") sys.sched_yield();
    this.#leaderHasEnded = true;
  }

  /** Mappings and their contents; a second call does nothing. `parent`: the task was forked from its filled memory. */
  fillMemory(parent?: Rebuilt): void {
    if (this.#filled !== undefined) return;
    const { inside, plan } = this;
    const { images, context, shared } = this.around;
    using pages = images.pagesReader("pagemap", plan.pid);
    using parentPages = parent && images.pagesReader("pagemap", parent.pid);
    const backing = (vma: (typeof plan.mm.vmas)[number]): Fd | undefined => {
      if ((vma.status & VmaStatus.ANON_SHARED) !== 0) return shared.fd(vma.shmid);
      if ((vma.status & VmaStatus.AREA_MEMFD) !== 0) return this.#memfdBehind(vma);
      const ofFile = VmaStatus.FILE_PRIVATE | VmaStatus.FILE_SHARED | VmaStatus.AREA_SOCKET;
      if ((vma.status & ofFile) !== 0) return context.files.fd(Number(vma.shmid));
      return undefined;
    };
    const from = parent && parentPages && { parent: { mm: parent.plan.mm, pages: parentPages } };
    this.#filled = this.#fetching((fetch) => fillMemory(inside, { mm: plan.mm, pages, fetch, backing, ...from }));
    this.#attachSegments();
    this.#vdso = savedVdso(plan.mm, pages);
  }
  #vdso: Uint8Array | undefined;

  #instructionPointers(): bigint[] {
    const cores = [this.plan.core, ...this.plan.threads.map(({ core }) => core)];
    return cores.flatMap(({ threadInfo }) => threadInfo?.gpregs?.ip ?? []);
  }

  #attachSegments(): void {
    const segments = this.around.context.once(RestoredSegments);
    for (const { shmid } of this.plan.mm.vmas.filter(isShmVma)) segments.provide(Number(shmid));
    attachSegments(this.inside, this.plan.mm, (id) => segments.lengthOf(id));
  }
  #filled: ReadonlySet<VmaEntry> | undefined;

  /** Old images do not tell how the file was opened. */
  #memfdBehind({ shmid, fdflags, status }: VmaEntry): Fd {
    const { context } = this.around;
    const entry = context.files.entry(Number(shmid)).memfd;
    if (entry === undefined) return context.files.fd(Number(shmid));
    const fallback = (status & VmaStatus.FILE_SHARED) === 0 ? O_RDONLY : O.O_RDWR;
    return context.once(RestoredMemfds).openForMapping(entry, fdflags ?? fallback);
  }

  /** What is set on memory, the bounds that the kernel keeps, cwd and root. */
  finishMemory(): void {
    const { inside, plan } = this;
    const { context, parked } = this.around;
    finishMemory(inside, plan.mm, this.#filled ?? new Set());
    restoreRings(inside, plan.mm);
    restoreVdso(inside, plan.mm, parked, { code: this.#vdso, instructionPointers: this.#instructionPointers() });
    this.#fetching((fetch) => {
      applyLayout(inside, plan.mm, fetch(context.files.fd(plan.mm.exeFileId)));
      const isHostRoot = context.files.entry(plan.fs.rootId).reg?.name === "/";
      const root = isHostRoot ? undefined : fetch(context.files.fd(plan.fs.rootId));
      applyFilesystem(inside, plan.fs, { root, cwd: fetch(context.files.fd(plan.fs.cwdId)) });
    });
  }

  /** Runs `use` with a way to fetch descriptors of ours into the task, and closes them all afterwards. */
  #fetching<T>(use: (fetch: (ours: Fd) => TargetFd) => T): T {
    const { inside } = this;
    const engine = inside.sys.pidfd_open(asPid(process.pid), 0);
    const fetched = new Map<Fd, TargetFd>();
    const result = use((ours) => {
      const known = fetched.get(ours);
      if (known !== undefined) return known;
      const theirs = inside.sys.pidfd_getfd(engine, ours as number as TargetFd, 0);
      fetched.set(ours, theirs);
      return theirs;
    });
    inside.sys.close_range(0, HIGHEST_FD, 0);
    return result;
  }

  restoreDescriptors(): void {
    const { filesId } = this.plan.ids;
    if (this.around.filledTables.has(filesId)) return;
    this.around.filledTables.add(filesId);
    this.around.context.files.fill(this.leader, this.plan.descriptors);
  }

  /** When every task has its descriptors: the kernel lets a file be leased only as long as nobody opens it another way. */
  restoreLocks(): void {
    const { descriptors, locks } = this.plan;
    for (const lock of locks) applyLock(lock, descriptors, this.inside, this.around.context);
  }

  createThreads(): void {
    for (const { tid, core } of this.plan.threads) {
      const inside = cloneTask(this.inside, {
        tid,
        comm: core.threadCore?.comm ?? this.comm,
        flags: THREAD,
        exitSignal: 0,
        as: "thread",
      });
      this.threads.push({ process: this, tracee: inside.tracee, isLeader: false, inside, core });
    }
  }

  /** After the change of credentials, which resets it. */
  applyDumpable(): void {
    applyDumpable(this.#speaker.inside, this.plan.mm.dumpable);
  }

  /** Takes our region out and gives every thread its registers; they are still stopped. */
  finish(): void {
    const { inside } = this.#speaker;
    const region = inside.ground.stub;
    ignoreTraps(inside, this.core);
    this.#queueTraps();
    inside.stepCall(syscalls.munmap.number, [asAddress(region), BigInt(REGION_BYTES)]);
    for (const { tracee, core } of this.threads) {
      setFloatingPoint(tracee, core);
      tracee.setRegisters(registersOf(core, tracee.registers()));
      tracee.setSignalMask(maskOf(core));
    }
  }

  #queueTraps(): void {
    if (![this.core, ...this.threads.map(({ core }) => core)].some(hasTraps)) return;
    for (const { tracee } of this.threads) tracee.blockSignals();
    for (const thread of this.threads) queueTraps(thread, thread === this.#speaker ? this.core : undefined);
  }

  /** Lets the process run, or stay stopped when it was. */
  release(options: { readonly stopped: boolean }): void {
    if (options.stopped || this.plan.state === "stopped") sys.kill(this.pid, this.#stopSignal());
    for (const { tracee } of this.threads) tracee.detach();
  }

  /** The signal that had stopped it, unless the program handles or ignores that one. */
  #stopSignal(): number {
    const { stopSigno = 0, sigactions = [] } = this.core.tc ?? {};
    const withoutUncatchable = stopSigno > SIG.SIGSTOP ? stopSigno - 3 : stopSigno - 1;
    return stopSigno !== 0 && sigactions[withoutUncatchable]?.sigaction === 0n ? stopSigno : SIG.SIGSTOP;
  }

  [Symbol.dispose](): void {
    this.inside.memory[Symbol.dispose]();
  }
}
