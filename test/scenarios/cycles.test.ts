import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Pid } from "../../src/kernel/brand.js";
import { listFds } from "../../src/kernel/proc/fdinfo.js";
import { readMaps } from "../../src/kernel/proc/maps.js";
import { startProgram } from "../support/program.js";
import { endingWith, roundTrip, startService, treeOf } from "./round-trip.js";

const CYCLES = 10;

function figures(root: Pid) {
  return treeOf(root).map((pid) => ({
    pid,
    mappings: readMaps(pid).map(({ start, end, path }) => `${start.toString(16)}-${end.toString(16)} ${path}`),
    descriptors: listFds(pid),
  }));
}

/** Kilobytes of anonymous memory of the whole tree. */
function anonymousKb(root: Pid): number {
  return treeOf(root)
    .map((pid) => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0))
    .reduce((sum, kb) => sum + kb, 0);
}

test("ten cycles, each with a leave_running dump in between, leave memory, descriptors and maps as they were", async () => {
  await using service = await startService();
  await using program = await startProgram("tree");
  using _tree = endingWith(program.pid);
  await roundTrip(service, program.pid);
  const [before, kb] = [figures(program.pid), anonymousKb(program.pid)];
  for (let cycle = 1; cycle < CYCLES; cycle++) {
    await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
    await roundTrip(service, program.pid);
  }
  assert.deepEqual(figures(program.pid), before);
  assert.ok(
    anonymousKb(program.pid) <= kb * 1.1,
    `anonymous memory grew from ${kb} kB to ${anonymousKb(program.pid)} kB`,
  );
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
