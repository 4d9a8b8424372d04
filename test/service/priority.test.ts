// Who serves comes before who gets ready: nice(2) of workers, as proc_pid_stat(5) tells it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../src/index.js";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { readThreadStat } from "../../src/kernel/proc/stat.js";
import { listChildren, listThreads } from "../../src/kernel/proc/tasks.js";
import { startServiceIn } from "./running-service.js";

const directory = mkdtempSync(join(tmpdir(), "priority-"));
after(() => rmSync(directory, { recursive: true }));

const nicesOf = (pid: Pid): number[] => [
  ...new Set(listThreads(pid).flatMap((tid) => readThreadStat(pid, tid)?.nice ?? [])),
];

async function untilAll(pids: () => readonly Pid[], wanted: number): Promise<void> {
  for (const end = performance.now() + 30_000; ; await delay(20)) {
    const all = pids().map(nicesOf);
    if (all.length > 0 && all.every((nices) => nices.length === 1 && nices[0] === wanted)) return;
    assert.ok(performance.now() < end, `nice values are ${JSON.stringify(all)}, and should be ${wanted}`);
  }
}

test("a worker that rehearses while another waits gives way, and comes back with all its threads", async () => {
  await using service = await startServiceIn(directory, "service", "-v0");
  assert.ok(service.process.pid !== undefined);
  const pid = asPid(service.process.pid);
  await connect(service.path).version();
  const seen = new Set<number>();
  for (const end = performance.now() + 20_000; seen.size < 2 && performance.now() < end; await delay(2))
    for (const worker of listChildren(pid)) for (const nice of nicesOf(worker)) seen.add(nice - getPriority());
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [0, 10],
  );
  await untilAll(() => listChildren(pid), getPriority());
});
