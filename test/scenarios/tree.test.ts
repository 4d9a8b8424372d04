import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../src/kernel/brand.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { startProgram } from "../support/program.js";
import { endingWith, roundTrip, startService, treeOf } from "./round-trip.js";

/** What must be as before, for each process of the tree. */
function family(root: number) {
  return treeOf(asPid(root)).map((pid) => {
    const stat = readStat(pid);
    return { pid, isZombie: stat?.state === "Z", pgrp: stat?.pgrp, session: stat?.session, exitCode: stat?.exitCode };
  });
}

test("a tree of 57 processes in three levels and sessions comes back with its zombies, pipe and shared memory", async () => {
  await using service = await startService();
  await using program = await startProgram("tree");
  using _tree = endingWith(program.pid);
  const before = family(program.pid);
  assert.equal(before.length, 57);
  assert.equal(before.filter(({ isZombie }) => isZombie).length, 7);
  await roundTrip(service, program.pid);
  assert.deepEqual(family(program.pid), before);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
