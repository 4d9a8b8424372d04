// RESTORE: images into a running process tree. Reads top to bottom: plan, grow, fill, let go.
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import { type InventoryEntry, RestoreStatsEntrySchema, StatsEntrySchema } from "../images/format/entries.js";
import { CLONE } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { asPid, type Pid } from "../kernel/brand.js";
import { spawnAsSibling } from "../kernel/call.js";
import { unless } from "../kernel/errno.js";
import { readStat } from "../kernel/proc/stat.js";
import { listThreads } from "../kernel/proc/tasks.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import type { RestoreOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
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
import { cloneTask } from "../tracee/offspring.js";
import { REGION_BYTES, type Seed, startSeed } from "../tracee/seed.js";
import { awaitEnd } from "../tracee/wait.js";
import { processorIn } from "./cpuinfo.js";
import { Living } from "./living.js";
import { findFreeRegion, type PlannedProcess, type PlannedTask, processesOf, readPlan } from "./plan.js";
import { Rebuilt, type Surroundings } from "./rebuild.js";
import { RestoreFailed, type RestoreOutcome, type RestoreRequest } from "./requests.js";
import { sharedMemoryShapes } from "./shared-shapes.js";
import { Stopwatch } from "./stopwatch.js";

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
    const shared = this.#scope.use(new RestoredSharedMemory(images, sharedMemoryShapes(root)));
    const processes = this.#grow(root, { images, context, shared, filledTables: new Set() });
    const forkingUs = this.#clock.lapUs();
    const each = (step: (one: Rebuilt) => void) => {
      for (const one of processes) step(one);
    };
    const apply = (stage: Stage) => each((one) => one.apply(stage, taskParts));
    apply("early");
    each((one) => one.finishMemory());
    each((one) => one.restoreDescriptors());
    context.once(RestoredMemfds).seal();
    each((one) => one.createThreads());
    context.files.finish();
    each((one) => one.restoreLocks());
    this.#letGoOfFiles(context);
    apply("with-files");
    apply("after-memory");
    this.#consult("post-restore");
    apply("credentials");
    each((one) => one.endLeader());
    apply("last");
    each((one) => one.applyDumpable());
    this.request.notify("pre-resume", this.rootPid);
    context.once(RestoredInetSockets).resume();
    each((one) => one.finish());
    segments.keep();
    each((one) => one.release({ stopped: this.request.options.leaveStopped }));
    this.#born.length = 0;
    this.#writeStats(forkingUs);
    this.request.notify("post-resume", this.rootPid);
    return { rootPid: root.pid };
  }

  /** Whatever this does is over before somebody watches the files. */
  #letGoOfFiles({ files, once }: RestoreContext & { readonly files: RestoredFileTable }): void {
    files.letGo();
    once(RestoredGhosts).removeNames();
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
    const seed = siblings ? startSeed(base, (path) => spawnAsSibling(path, root.pid)) : startSeed(base);
    const inside = siblings ? seed.inside : this.#firstChild(seed, root);
    this.rootPid = root.pid;
    const living = new Living((task, its) =>
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

/** Asks every part of every thread whether its image can be. */
function validate(root: PlannedProcess, context: RestoreContext): void {
  for (const { core, threads } of processesOf(root)) {
    for (const part of taskParts) {
      part.validate?.(core, context);
      if (part.of === "thread") for (const thread of threads) part.validate?.(thread.core, context);
    }
  }
}

/** Connections that were not saved can only come back closed. */
function checkOptions(inventory: InventoryEntry, { tcpClose }: RestoreOptions): void {
  if (!inventory.tcpClose || tcpClose) return;
  throw new StasisError({
    code: "OPTION_UNSUPPORTED",
    doing: "restore without",
    subject: { kind: "option", name: "tcp-close" },
    reason: "the dump was made with it, so the images have no TCP connections",
    remedy: "pass --tcp-close",
  });
}

/** What a child shares with its parent, by the ids in their images. */
function sharingFlags(child: PlannedTask, parent: PlannedTask): bigint {
  if (child.state === "zombie" || parent.state === "zombie") return 0n;
  let flags = 0n;
  if (child.ids.filesId === parent.ids.filesId) flags |= CLONE.CLONE_FILES;
  if (child.ids.fsId === parent.ids.fsId) flags |= CLONE.CLONE_FS;
  return flags;
}

/** Kills a process of ours and takes the exit of each thread: the kernel reports that of the leader last. */
function endTask({ tracee, memory }: Inside): void {
  memory[Symbol.dispose]();
  const threads = listThreads(tracee.pid).filter((tid) => tid !== tracee.pid);
  unless("ESRCH", () => sys.kill(tracee.pid, SIG.SIGKILL));
  for (const tid of [...threads, tracee.pid]) awaitEnd(tid);
}
