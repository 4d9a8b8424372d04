// The engine is killed at a random moment of a dump, as a machine short of memory would do it: the program works on as if nothing had been.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endingWith, treeOf, until } from "../scenarios/round-trip.js";
import type { Program } from "../support/program.js";
import {
  beats,
  measure,
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

test(`a program works on as a whole or is gone with its images complete when the engine that dumps and ends it is killed (${RUNS} times, seed ${SEED})`, async (t) => {
  using images = newDirectory();
  let ended = 0;
  const endedBy = async (kill: (engine: Engine) => unknown) => {
    rmSync(join(images.path, "inventory.img"), { force: true });
    await using program = await startSubject("busy");
    const tree = treeOf(program.pid);
    using _tree = endingWith(program.pid);
    await using engine = await Engine.start("dump-and-end", images.path, String(program.pid));
    await kill(engine);
    await engine.gone();
    const before = beats(program);
    await until(
      "it works on or is gone",
      () => leftOf(tree).length === 0 || standingStill(program, before).length === 0,
    ).catch(() => assert.fail(leftOf(tree).map(describe).join("\n")));
    assert.equal(program.output(), "ready\n");
    if (leftOf(tree).length > 0) return;
    assert.ok(existsSync(join(images.path, "inventory.img")));
    ended++;
  };
  let longestUs = 0;
  await endedBy(async (engine) => {
    longestUs = await measure(engine);
  });
  assert.equal(ended, 1);
  for (const us of moments(longestUs)) await endedBy((engine) => engine.killAfter(us));
  t.diagnostic(`the longest dump took ${longestUs} us, ${ended - 1} of ${RUNS} were ended`);
});

async function worksOn(program: Program): Promise<void> {
  const before = beats(program);
  await until(
    "every worker goes on",
    () => standingStill(program, before).length === 0 || program.output() !== "ready\n",
  ).catch(() => undefined);
  assert.equal(program.output(), "ready\n");
  assert.deepEqual(standingStill(program, before), [], "workers that stand still");
}
