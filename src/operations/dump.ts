// DUMP: a process tree into images. Reads top to bottom: freeze, collect, save memory, let go.

import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import {
  DumpStatsEntrySchema,
  InventoryEntrySchema,
  Lsmtype,
  PluginsEntrySchema,
  StatsEntrySchema,
} from "../images/format/entries.js";
import { ImageVersion } from "../images/format/numbers.js";
import { SIG } from "../kernel/abi/signal.js";
import { runApart } from "../kernel/apart.js";
import { failureOf, prepared, runTogether } from "../kernel/batch.js";
import { asPid } from "../kernel/brand.js";
import { type DumpOptions, withExternal } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { lockNumbers } from "../resources/files/sockets/network-lock.js";
import { describeProcessor } from "../resources/processor.js";
import { endTracers, type FrozenTask, freezeTree, thaw } from "../tracee/freeze.js";
import { makeAhead } from "./ahead.js";
import { CollectedTree } from "./collect.js";
import type { DumpOutcome, DumpRequest } from "./requests.js";
import { SavedMemory } from "./save-memory.js";
import { Stopwatch } from "./stopwatch.js";

/**
 * Dumps the tree under `options.pid`. Throws StasisError; the tree then runs on as if nothing had happened, and the images have
 * no inventory.
 */
export function dump(request: DumpRequest): DumpOutcome {
  const { options, log } = request;
  consult(request, "pre-dump");
  const images = ImageDirectory.create(request.images);
  if (options.describeProcessor) images.write("cpuinfo", undefined, [describeProcessor()]);
  const clock = new Stopwatch();
  const root = asPid(options.pid);
  log.info(`freezing the tree under pid ${root}`);
  const tasks = freezeTree(root, { timeoutMs: options.timeoutSeconds * 1000, engine: asPid(process.pid) });
  const freezingUs = clock.lapUs();
  let frozen = true;
  const letGo = () => {
    if (frozen) thaw(tasks);
    frozen = false;
  };
  try {
    const external = request.queryExternal?.() ?? [];
    using _expected = makeAhead(images, tasks);
    using tree = new CollectedTree(tasks, images, { ...request, options: withExternal(options, external) });
    tree.collect();
    using memory = new SavedMemory(tree, images, request);
    const early = options.finalState === "run" && memory.copyProcesses();
    memory.saveShared();
    memory.saveFrozen();
    // What dies need not be left first.
    if (options.finalState !== "kill") tree.leave();
    if (early) {
      tree.connections.release();
      letGo();
    }
    const frozenUs = clock.lapUs();
    memory.saveCopies();
    tree.noteStops();
    images.commit(inventory(tree, options), { durable: false });
    consult(request, "post-dump");
    const memoryUs = clock.lapUs();
    tree.keepLinks();
    if (options.finalState === "kill") {
      kill(tasks);
      tree.bury();
      tree.connections.outlive();
      frozen = false;
    } else if (options.finalState === "stop") {
      signalAll(tasks, SIG.SIGSTOP);
    }
    letGo();
    const stats = create(DumpStatsEntrySchema, {
      freezingTime: freezingUs,
      frozenTime: early ? frozenUs : frozenUs + memoryUs,
      memdumpTime: memoryUs,
      memwriteTime: 0,
      pagesScanned: memory.pagesWritten,
      pagesSkippedParent: 0n,
      pagesWritten: memory.pagesWritten,
      pagesLazy: 0n,
      pagePipes: 0n,
      pagePipeBufs: 0n,
      shpagesScanned: memory.sharedPagesWritten,
      shpagesSkippedParent: 0n,
      shpagesWritten: memory.sharedPagesWritten,
    });
    ImageDirectory.at(request.workDir).write("stats-dump", undefined, [create(StatsEntrySchema, { dump: stats })]);
    return { stats };
  } finally {
    letGo();
  }
}

/** Asks the client or the scripts; a refusal ends the dump. */
function consult(request: DumpRequest, script: "pre-dump" | "post-dump"): void {
  if (request.notify(script)) return;
  throw new StasisError({
    code: "CANCELLED",
    doing: "dump",
    subject: { kind: "process", pid: asPid(request.options.pid) },
    reason: `the ${script} notification was refused`,
    remedy: "have the client or script accept it",
  });
}

function inventory(tree: CollectedTree, { tcpClose, networkLock }: DumpOptions) {
  return create(InventoryEntrySchema, {
    imgVersion: ImageVersion.V1_1,
    fdinfoPerId: true,
    rootIds: tree.identities.own,
    nsPerId: true,
    rootCgSet: 1,
    lsmtype: Lsmtype.NO_LSM,
    networkLockMethod: lockNumbers[networkLock],
    ...(tcpClose ? { tcpClose } : {}),
    pluginsEntry: create(PluginsEntrySchema),
    dumpCriuRunId: tree.runId,
  });
}

/** Ends the tree, and waits until every thread is gone: its memory is free when we answer. */
function kill(tasks: readonly FrozenTask[]): void {
  signalAll(tasks, SIG.SIGKILL);
  for (const task of tasks) {
    if (task.state !== "alive") continue;
    for (const thread of task.threads.toReversed()) thread.awaitEnd();
  }
  endTracers(tasks);
}

/** All of them get it, also when we are killed meanwhile: half a tree must not run on. One that is gone is no matter. */
function signalAll(tasks: readonly FrozenTask[], signal: number): void {
  const calls = tasks.filter(({ state }) => state === "alive").map(({ pid }) => prepared.kill(pid, signal));
  const results = calls.length > 1 ? runApart(calls) : runTogether(calls);
  for (const [index, call] of calls.entries()) {
    const error = failureOf(call, results[index] ?? 0n);
    if (error !== undefined && error.errno !== "ESRCH") throw error;
  }
}
