// RESTORE: images into a running process tree. Reads top to bottom: plan, grow, fill, let go.
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import { type InventoryEntry, RestoreStatsEntrySchema, StatsEntrySchema } from "../images/format/entries.js";
import { CLONE } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { asPid, type Pid } from "../kernel/brand.js";
import { spawnAsSibling } from "../kernel/call.js";
import { errno, unless } from "../kernel/errno.js";
import { readStat } from "../kernel/proc/stat.js";
import { listThreads } from "../kernel/proc/tasks.js";
import { Scope } from "../kernel/scope.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Meter } from "../report/progress.js";
import { RestoredMemfds } from "../resources/files/memfd-restored.js";
import { RestoredGhosts } from "../resources/files/regular/restored.js";
import { RestoredFileTable } from "../resources/files/restored-table.js";
import { RestoredInetSockets } from "../resources/files/sockets/inet-restored.js";
import { RestoredTerminals } from "../resources/files/tty/restored.js";
import { RestoredWatches } from "../resources/files/watches/restored.js";
import type { RestoreContext, Stage } from "../resources/kind.js";
import { RestoredSharedMemory } from "../resources/memory/restored-shared.js";
import { RestoredSegments } from "../resources/memory/shm-restored.js";
import { onceFor } from "../resources/once.js";
import { compareProcessor } from "../resources/processor.js";
import { taskParts } from "../resources/task/index.js";
import { type Grown, growUnder, joinGroups } from "../resources/tree/grow.js";
import { becomeZombie } from "../resources/tree/zombies.js";
import type { Inside } from "../tracee/inside.js";
import { cloneTask, pidBusy } from "../tracee/offspring.js";
import { REGION_BYTES, type Seed, startSeed } from "../tracee/seed.js";
import { callTogether, inWaves } from "../tracee/together.js";
import { Undertaker } from "../tracee/undertaker.js";
import { awaitEnd } from "../tracee/wait.js";
import { processorIn } from "./cpuinfo.js";
import { Living } from "./living.js";
import { bytesIn, findFreeRegion, type PlannedProcess, type PlannedTask, processesOf, readPlan } from "./plan.js";
import { Rebuilt, type Surroundings } from "./rebuild.js";
import { RestoreFailed, type RestoreOutcome, type RestoreRequest } from "./requests.js";
import { sharedMemoryShapes } from "./shared-shapes.js";
import { sharedTables, sharingFlags } from "./sharing.js";
import { Stopwatch } from "./stopwatch.js";
import { checkOptions, validate } from "./validation.js";

/**
 * Restores the tree in the images. Throws StasisError; nothing of the tree is left then. RestoreFailed carries the pid of a
 * root that existed for a while.
 */
export function restore(request: RestoreRequest): RestoreOutcome {
  const run = new RestoreRun(request);
  try {
    return run.run();
  } catch (error) {
    run.abandon();
    throw run.rootPid === undefined || !(error instanceof StasisError)
      ? error
      : new RestoreFailed(error.report, run.rootPid);
  } finally {
    run[Symbol.dispose]();
  }
}

class RestoreRun implements Disposable {
  readonly #scope = new Scope();
  readonly #born: Grown<PlannedTask>[] = [];
  readonly #clock = new Stopwatch();
  rootPid: Pid | undefined;

  constructor(readonly request: RestoreRequest) {}

  run(): RestoreOutcome {
    const { images, inventory } = ImageDirectory.open(this.request.images);
    const { compareProcessor: modes } = this.request.options;
    if (modes !== undefined) compareProcessor(processorIn(images), modes);
    checkOptions(inventory, this.request.options);
    const root = readPlan(images, inventory);
    const context = this.#context(images, inventory);
    context.files.load();
    validate(root, context);
    const segments = context.once(RestoredSegments);
    segments.load(root.ids.ipcNsId);
    for (const { mm } of processesOf(root)) segments.check(mm);
    this.#consult("pre-restore");
    context.files.prepare();
    const meter = new Meter("restore", this.request.progress);
    if (this.request.progress !== undefined) meter.expect(bytesIn(images, root));
    const shared = this.#scope.use(new RestoredSharedMemory(images, sharedMemoryShapes(root)));
    const processes = this.#grow(root, {
      context,
      shared,
      meter,
      filledTables: new Set(),
      sharedTables: sharedTables(root),
    });
    meter.finish();
    const forkingUs = this.#clock.lapUs();
    const each = (...steps: readonly ((one: Rebuilt) => void)[]) =>
      inWaves(processes, (wave, scope) => {
        for (const step of steps) for (const one of wave) step(one);
        scope.defer(() => meter.moved(0));
        return wave.flatMap(({ insides }) => insides);
      });
    const apply = (...stages: readonly Stage[]) =>
      each(...stages.map((stage) => (one: Rebuilt) => one.apply(stage, taskParts)));
    apply("early");
    each(
      (one) => one.finishMemory(),
      (one) => one.restoreDescriptors(),
    );
    context.once(RestoredMemfds).seal();
    each((one) => one.createThreads());
    context.files.finish();
    each((one) => one.restoreLocks());
    context.files.letGo();
    context.once(RestoredGhosts).removeNames();
    apply("with-files", "after-memory");
    this.#consult("post-restore");
    apply("credentials");
    each((one) => one.endLeader());
    each(
      (one) => one.apply("last", taskParts),
      (one) => one.applyDumpable(),
    );
    this.#finishFiles(context);
    this.request.notify("pre-resume", this.rootPid);
    context.once(RestoredInetSockets).resume();
    callTogether(
      syscalls.munmap.name,
      processes.map((one) => one.prepareEnd()),
    );
    each((one) => one.finish());
    segments.keep();
    each((one) => one.stop(this.request.options));
    this.#letGo(processes);
    this.#writeStats(forkingUs);
    this.request.notify("post-resume", this.rootPid);
    return { rootPid: root.pid };
  }

  /** All of them or, should we be killed meanwhile, none: threads of one process die together without an undertaker. */
  #letGo(processes: readonly Rebuilt[]): void {
    using _undertaker = processes.length > 1 ? new Undertaker(processes.map(({ pid }) => pid)) : undefined;
    for (const one of processes) one.release();
    this.#born.length = 0;
  }

  /** Whatever this does is over before somebody watches the files. */
  #finishFiles({ once }: RestoreContext): void {
    once(RestoredGhosts).removeLinks();
    once(RestoredWatches).setAll();
  }

  #context(
    images: ImageDirectory,
    { networkLockMethod, dumpCriuRunId }: InventoryEntry,
  ): RestoreContext & { readonly files: RestoredFileTable } {
    const { log, options, giveTerminal } = this.request;
    const files = this.#scope.use(new RestoredFileTable(() => context));
    const inherited = new Map(options.inheritedFds.map(({ key, fd }) => [key, fd]));
    const once = onceFor<RestoreContext>(() => context);
    const context: RestoreContext & { readonly files: RestoredFileTable } = {
      images,
      inventory: { networkLock: networkLockMethod, runId: dumpCriuRunId },
      log,
      options,
      files,
      inherited,
      once,
      scope: this.#scope,
      ...(giveTerminal === undefined ? {} : { giveTerminal }),
    };
    return context;
  }

  #consult(script: "pre-restore" | "post-restore"): void {
    const accepted = script === "pre-restore" ? this.request.notify(script) : this.request.notify(script, this.rootPid);
    if (accepted) return;
    throw new StasisError({
      code: "CANCELLED",
      doing: "restore",
      subject: { kind: "host", what: "the process tree" },
      reason: `the ${script} notification was refused`,
      remedy: "have the client or script accept it",
    });
  }

  /** Every task exists afterwards, in its session and group, and has its memory; zombies are zombies. Result: the living. */
  #grow(root: PlannedProcess, around: Omit<Surroundings, "parked">): Rebuilt[] {
    const { siblings } = this.request.options;
    const base = findFreeRegion(root, BigInt(REGION_BYTES));
    const seed = siblings ? startSeed(base, (path) => besideUs(path, root)) : startSeed(base);
    const inside = siblings ? seed.inside : this.#firstChild(seed, root);
    this.rootPid = root.pid;
    const living = new Living(around.context.images, (task, its) =>
      this.#scope.use(new Rebuilt(task, its, { ...around, parked: seed.parked })),
    );
    const born = (grown: Grown<PlannedTask>) => {
      this.#born.push(grown);
      living.add(grown);
    };
    const grownRoot: Grown<PlannedTask> = { task: root, inside };
    born(grownRoot);
    const outer = this.#outer();
    const terminals = around.context.once(RestoredTerminals);
    this.#checkSession(root, outer.sid);
    growUnder(grownRoot, outer.sid, {
      outer,
      sharing: sharingFlags,
      before: (child, parent) => living.prepare(child, parent),
      born,
      led: (grown) => terminals.control(grown),
    });
    living.fillAll();
    joinGroups(this.#born, outer.pgid);
    terminals.foreground(this.#born);
    for (const { task, inside: dying } of this.#born) {
      if (task.state === "zombie") becomeZombie(dying, { comm: task.comm, exitCode: task.core.tc?.exitCode ?? 0 });
    }
    return living.all;
  }

  /** The root is made by the seed as its own sibling, so that it is our child; the seed has done its work then. */
  #firstChild(seed: Seed, root: PlannedProcess): Inside {
    try {
      return cloneTask(seed.inside, {
        tid: root.pid,
        comm: root.comm,
        flags: CLONE.CLONE_PARENT,
        exitSignal: 0,
        as: "process",
      });
    } finally {
      endTask(seed.inside);
    }
  }

  #outer(): { sid: number; pgid: number } {
    const self = readStat(asPid(process.pid));
    return { sid: self?.session ?? 0, pgid: self?.pgrp ?? 0 };
  }

  #checkSession(root: PlannedProcess, outerSid: number): void {
    if (root.sid === root.pid || root.sid === outerSid || this.request.options.shellJob) return;
    throw new StasisError({
      code: "TREE_UNSUPPORTED",
      doing: "restore",
      subject: { kind: "process", pid: root.pid, comm: root.comm },
      reason: `its session ${root.sid} is outside of the tree`,
      remedy: "pass --shell-job to put it into the session of stasis",
    });
  }

  #writeStats(forkingUs: number): void {
    const restore = create(RestoreStatsEntrySchema, {
      pagesCompared: 0n,
      pagesSkippedCow: 0n,
      forkingTime: forkingUs,
      restoreTime: forkingUs + this.#clock.lapUs(),
    });
    ImageDirectory.at(this.request.workDir).write("stats-restore", undefined, [create(StatsEntrySchema, { restore })]);
  }

  /** Ends whatever was made. */
  abandon(): void {
    for (const { inside } of this.#born.toReversed()) endTask(inside);
    this.#born.length = 0;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

/** Kills a process of ours and takes the exit of each thread: the kernel reports that of the leader last. */
function endTask({ tracee, memory }: Inside): void {
  memory[Symbol.dispose]();
  const threads = listThreads(tracee.pid).filter((tid) => tid !== tracee.pid);
  unless("ESRCH", () => sys.kill(tracee.pid, SIG.SIGKILL));
  for (const tid of [...threads, tracee.pid]) awaitEnd(tid);
}

/** As posix_spawn(3), with the pid of `root`, as a child of our own parent. */
function besideUs(path: string, { pid, comm }: PlannedProcess): number {
  const result = spawnAsSibling(path, pid);
  if (result === -errno.EEXIST) throw pidBusy(pid, comm);
  return result;
}
