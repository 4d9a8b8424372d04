// The engine is killed at a random moment of a dump that ends the program: it works on as a whole, or is gone and its images are complete.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { endingWith, treeOf, until } from "../scenarios/round-trip.js";
import { beats, measure, moments, RUNS, SEED, standingStill, startSubject } from "./crash-subjects.js";
import { describe, Engine, leftOf, newDirectory } from "./engine-process.js";

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
