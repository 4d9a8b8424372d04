// The engine is killed at a random moment of a dump, as a machine short of memory would do it: the program works on as if nothing had been.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endingWith, treeOf, until } from "../scenarios/round-trip.js";
import type { Program } from "../support/program.js";
import {
  beats,
  measureOne,
  moments,
  RUNS,
  SEED,
  skipped,
  standingStill,
  startSubject,
  subjects,
} from "./crash-subjects.js";
import { describe, Engine, inSession, isTraced, leftOf, newDirectory } from "./engine-process.js";

for (const [name, { what, processes }] of Object.entries(subjects)) {
  test(`${what} works on whenever the engine that dumps it is killed (${RUNS} times, seed ${SEED})`, {
    skip: skipped(name),
  }, async (t) => {
    await using program = await startSubject(name);
    using _tree = endingWith(program.pid);
    using images = newDirectory();
    const start = () => Engine.start("dump", images.path, String(program.pid));
    const longestUs = await measureOne(start);
    let complete = 0;
    for (const us of moments(longestUs)) {
      rmSync(join(images.path, "inventory.img"), { force: true });
      await using engine = await start();
      engine.killAfter(us);
      await engine.gone();
      await worksOn(program);
      const left = () => [...treeOf(program.pid).slice(processes), ...leftOf(inSession(engine.child.pid ?? 0))];
      await until("nothing of ours is left", () => left().length === 0).catch(() =>
        assert.fail(left().map(describe).join("\n")),
      );
      assert.ok(!treeOf(program.pid).some(isTraced));
      if (existsSync(join(images.path, "inventory.img"))) complete++;
    }
    t.diagnostic(`the longest dump took ${longestUs} us, ${complete} of ${RUNS} were complete`);
    program.signal("SIGUSR2");
    await program.waitFor("restored");
  });
}

async function worksOn(program: Program): Promise<void> {
  const before = beats(program);
  await until(
    "every worker goes on",
    () => standingStill(program, before).length === 0 || program.output() !== "ready\n",
  ).catch(() => undefined);
  assert.equal(program.output(), "ready\n");
  assert.deepEqual(standingStill(program, before), [], "workers that stand still");
}
