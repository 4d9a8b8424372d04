// One process of a restore, from an empty task to the program that it was.

import { isFieldSet } from "@bufbuild/protobuf";
import { type CoreEntry, type VmaEntry, VmaEntrySchema } from "../images/format/entries.js";
import { VmaStatus } from "../images/format/numbers.js";
import type { OpenPages } from "../images/pages/open.js";
import type { PageRange } from "../images/pages/read.js";
import { O, O_RDONLY } from "../kernel/abi/fcntl.js";
import { CLONE } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { asAddress, asTargetFd, type Fd, type TargetFd } from "../kernel/brand.js";
import { readStat } from "../kernel/proc/stat.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import type { Meter } from "../report/progress.js";
import { applyLock } from "../resources/files/locks.js";
import { RestoredMemfds } from "../resources/files/memfd-restored.js";
import type { RestoredFileTable } from "../resources/files/restored-table.js";
import type { RestoreContext, RestoredProcess, RestoredThread, Stage, TaskPart } from "../resources/kind.js";
import { restoreRings } from "../resources/memory/aio.js";
import { writePages } from "../resources/memory/contents.js";
import { applyLayout } from "../resources/memory/layout.js";
import { finishMemory, type Inheritance, mapMemory } from "../resources/memory/restore.js";
import type { RestoredSharedMemory } from "../resources/memory/restored-shared.js";
import { attachSegments, isShmVma } from "../resources/memory/shm-attach.js";
import { RestoredSegments } from "../resources/memory/shm-restored.js";
import { restoreVdso, SavedVdsos } from "../resources/memory/vdso.js";
import { restoreCompatVdso } from "../resources/memory/vdso-compat.js";
import { applyDumpable } from "../resources/task/dumpable.js";
import { setFloatingPoint } from "../resources/task/floating-point.js";
import { isPending, queueTraps } from "../resources/task/pending-signals.js";
import { isCompatCore, registersOf } from "../resources/task/registers.js";
import { ignoreTraps } from "../resources/task/signal-actions.js";
import { maskOf } from "../resources/task/signal-mask.js";
import { prepareCall } from "../resources/task/timed-call.js";
import { applyFilesystem } from "../resources/tree/filesystem.js";
import type { Inside } from "../tracee/inside.js";
import { letGo } from "../tracee/let-go.js";
import { cloneTasks } from "../tracee/offspring.js";
import { expecting, remote } from "../tracee/program.js";
import { type Parked, REGION_BYTES } from "../tracee/seed.js";
import type { Registers } from "../tracee/tracee.js";
import type { PlannedProcess } from "./plan.js";

export interface Surroundings {
  readonly context: RestoreContext & { readonly files: RestoredFileTable };
  readonly shared: RestoredSharedMemory;
  /** Where the kernel's own mappings wait in each task. */
  readonly parked: readonly Parked[];
  readonly meter: Meter;
  /** Ids of descriptor tables (CLONE_FILES) that are complete. */
  readonly filledTables: Set<number>;
  /** Ids of those that several processes have: they use it in turns. */
  readonly sharedTables: ReadonlySet<number>;
}

/** A process whose memory was filled before a child was forked from it, and the mappings that the child has from there. */
export interface Source {
  readonly process: Rebuilt;
  readonly vmas: readonly VmaEntry[];
}

/** Flags of a thread as pthread_create(3) makes it. */
const THREAD =
  CLONE.CLONE_VM | CLONE.CLONE_FS | CLONE.CLONE_FILES | CLONE.CLONE_SIGHAND | CLONE.CLONE_THREAD | CLONE.CLONE_SYSVSEM;
const HIGHEST_FD = 0xffffffff;

/** How the file of a mapping was opened; undefined: an old image does not tell. */
const flagsOf = (vma: VmaEntry): number | undefined =>
  isFieldSet(vma, VmaEntrySchema.field.fdflags) ? vma.fdflags : undefined;

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
      if (part.of === "process") this.#apply(part, this.#speaker, this.core);
      else for (const thread of this.#threadsWith(part)) this.#apply(part, thread, thread.core);
    }
  }

  #apply(part: TaskPart, thread: RestoredThread, core: CoreEntry): void {
    part.apply(thread, core, this.around.context);
    if (this.#hasSeveral) thread.inside.flush();
  }

  /** Threads, of which one at a time may have calls put off. */
  get #hasSeveral(): boolean {
    return this.threads.length > 1 || this.threads[0] !== this.leader;
  }

  /** Of all its threads, a leader that ends included. */
  get insides(): Inside[] {
    if (!this.#hasSeveral) return [this.inside];
    return [...new Set([this.leader, ...this.threads])].map(({ inside }) => inside);
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

  /**
   * Mappings; a second call does nothing. `source`: what the task was forked from. When the calls that are put off have been made, and
   * before `opened` is closed, writePages fills them.
   */
  mapMemory(opened: OpenPages, source?: Source & Pick<Inheritance, "comparison">): void {
    if (this.#writable !== undefined) return;
    const { inside, plan } = this;
    const { context, shared } = this.around;
    const pages = opened.of(plan.pid);
    const backing = (vma: (typeof plan.mm.vmas)[number]): Fd | undefined => {
      if ((vma.status & VmaStatus.ANON_SHARED) !== 0) return shared.fd(vma.shmid);
      if ((vma.status & VmaStatus.AREA_MEMFD) !== 0) return this.#memfdBehind(vma);
      const ofFile = VmaStatus.FILE_PRIVATE | VmaStatus.FILE_SHARED | VmaStatus.AREA_SOCKET;
      if ((vma.status & ofFile) !== 0) return context.files.forMapping(Number(vma.shmid), flagsOf(vma));
      return undefined;
    };
    const from = source && { parent: { ...source, mm: source.process.plan.mm, pages: opened.of(source.process.pid) } };
    const mapped = this.#fetching((fetch) => mapMemory(inside, { mm: plan.mm, pages, fetch, backing, ...from }));
    this.#writable = mapped.writable;
    this.#unwritten = mapped.pages;
    this.#attachSegments();
    this.#vdso = context.once(SavedVdsos).codeIn(plan.mm, pages);
  }
  #vdso: Uint8Array | undefined;
  #writable: ReadonlySet<VmaEntry> | undefined;

  /** What the mappings hold; a second call does nothing. */
  writePages(): void {
    writePages(this.inside.tracee, this.#unwritten, (bytes) => this.around.meter.moved(bytes));
    this.#unwritten = [];
  }
  #unwritten: readonly PageRange[] = [];

  #restoreVdso(parked: readonly Parked[]): void {
    const { inside, plan } = this;
    const code = this.#vdso;
    if (this.#cores().some(isCompatCore)) restoreCompatVdso(inside, plan.mm, parked, code);
    else restoreVdso(inside, plan.mm, parked, { code, instructionPointers: this.#instructionPointers() });
  }

  #cores(): CoreEntry[] {
    return [this.plan.core, ...this.plan.threads.map(({ core }) => core)];
  }

  #instructionPointers(): bigint[] {
    return this.#cores().flatMap(({ threadInfo }) => threadInfo?.gpregs?.ip ?? []);
  }

  #attachSegments(): void {
    const segments = this.around.context.once(RestoredSegments);
    for (const { shmid } of this.plan.mm.vmas.filter(isShmVma)) segments.provide(Number(shmid));
    attachSegments(this.inside, this.plan.mm, (id) => segments.lengthOf(id));
  }

  /** Old images do not tell how the file was opened. */
  #memfdBehind(vma: VmaEntry): Fd {
    const { shmid, status } = vma;
    const { context } = this.around;
    const entry = context.files.entry(Number(shmid)).memfd;
    if (entry === undefined) return context.files.fd(Number(shmid));
    const fallback = (status & VmaStatus.FILE_SHARED) === 0 ? O_RDONLY : O.O_RDWR;
    return context.once(RestoredMemfds).openForMapping(entry, flagsOf(vma) ?? fallback);
  }

  /** What is set on memory, the bounds that the kernel keeps, cwd and root. */
  finishMemory(): void {
    const { inside, plan } = this;
    const { context, parked } = this.around;
    finishMemory(inside, plan.mm, this.#writable ?? new Set());
    restoreRings(inside, plan.mm);
    this.#restoreVdso(parked);
    this.#fetching((fetch) => {
      applyLayout(inside, plan.mm, fetch(context.files.fd(plan.mm.exeFileId)));
      const isHostRoot = context.files.entry(plan.fs.rootId).reg?.name === "/";
      const root = isHostRoot ? undefined : fetch(context.files.fd(plan.fs.rootId));
      applyFilesystem(inside, plan.fs, { root, cwd: fetch(context.files.fd(plan.fs.cwdId)) });
    });
  }

  /**
   * Runs `use` with a way to fetch descriptors of ours into the task, whose table is empty, and closes them all afterwards. The kernel gives
   * each the lowest free number, so it is known beforehand.
   */
  #fetching<T>(use: (fetch: (ours: Fd) => TargetFd) => T): T {
    const { inside } = this;
    const engine = asTargetFd(0);
    inside.later(remote.close_range(0, HIGHEST_FD, 0));
    inside.later(expecting(remote.pidfd_open(process.pid, 0), BigInt(engine)));
    const fetched = new Map<Fd, TargetFd>();
    const result = use((ours) => {
      const known = fetched.get(ours);
      if (known !== undefined) return known;
      const theirs = asTargetFd(engine + fetched.size + 1);
      inside.later(expecting(remote.pidfd_getfd(engine, asTargetFd(ours), 0), BigInt(theirs)));
      fetched.set(ours, theirs);
      return theirs;
    });
    inside.later(remote.close_range(0, HIGHEST_FD, 0));
    if (this.around.sharedTables.has(this.plan.ids.filesId)) inside.flush();
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
    for (const lock of locks) applyLock(lock, descriptors, this.leader, this.around.context);
  }

  createThreads(): void {
    const births = this.plan.threads.map(({ tid, core }) => {
      const comm = core.threadCore?.comm ?? this.comm;
      return { tid, comm, flags: THREAD, exitSignal: 0, as: "thread", core } as const;
    });
    cloneTasks(this.inside, births, ({ core }, inside) =>
      this.threads.push({ process: this, tracee: inside.tracee, isLeader: false, inside, core }),
    );
  }

  /** After the change of credentials, which resets it. */
  applyDumpable(): void {
    applyDumpable(this.#speaker.inside, this.plan.mm.dumpable);
  }

  /** The last that needs our region; the thread in the result is aimed at the call that takes it out. */
  prepareEnd(): Inside {
    const { inside } = this.#speaker;
    this.#begun = this.threads.map((thread) => prepareCall(thread, thread.core));
    ignoreTraps(inside, this.core);
    this.#queueTraps();
    inside.aim(syscalls.munmap.number, [asAddress(inside.ground.stub), BigInt(REGION_BYTES)]);
    return inside;
  }
  #begun: readonly (Partial<Registers> | undefined)[] = [];

  /** The region is gone: gives every thread its registers; they are still stopped. */
  finish(): void {
    for (const [index, { tracee, core }] of this.threads.entries()) {
      setFloatingPoint(tracee, core);
      tracee.setRegisters({ ...registersOf(core, tracee.registers()), ...this.#begun[index] });
      tracee.setSignalMask(maskOf(core));
    }
  }

  #queueTraps(): void {
    if (!this.#isPending(SIG.SIGTRAP)) return;
    for (const { tracee } of this.threads) tracee.blockSignals();
    for (const thread of this.threads) queueTraps(thread, thread === this.#speaker ? this.core : undefined);
  }

  /**
   * Stops it when it was stopped. To be done to all before the first is let go: whoever waits for a stop that is in its images continues
   * the process at once. SIGCONT pending on a stopped process came during the dump, or it would be neither: it is continued, and
   * its parent told of that.
   */
  stop(options: { readonly leaveStopped: boolean }): void {
    if (!options.leaveStopped && this.plan.state !== "stopped") return;
    const isContinued = !options.leaveStopped && this.#isPending(SIG.SIGCONT);
    this.#stopBy(isContinued ? SIG.SIGSTOP : this.#stopSignal());
    if (isContinued) sys.kill(this.pid, SIG.SIGCONT);
  }

  #isPending(signal: number): boolean {
    return [this.core, ...this.threads.map(({ core }) => core)].some((core) => isPending(signal, core));
  }

  /** Lets the process run. Others that run by then may have killed it. */
  release(): void {
    letGo(this.threads.map(({ tracee }) => tracee));
  }

  /** Threads that are let go take part in a stop before they take a signal; but SIGSTOP itself would come after those with lower numbers. */
  #stopBy(signal: number): void {
    const [first] = this.threads;
    if (signal === SIG.SIGSTOP && first !== undefined) first.tracee.takeStop();
    else sys.kill(this.pid, signal);
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
