// The engine is killed at a random moment of a restore, as a machine short of memory would do it: the program is there as a whole or not at all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PR } from "../../src/kernel/abi/prctl.js";
import type { Pid } from "../../src/kernel/brand.js";
import { sys } from "../../src/kernel/syscalls.js";
import { endingWith, startService, treeOf, until } from "../scenarios/round-trip.js";
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
import { describe, Engine, inSession, leftOf } from "./engine-process.js";

for (const [name, { what }] of Object.entries(subjects)) {
  // What a killed program says to the other side of a connection, both ends ours, stands in the way of the next restore for a minute.
  if (name === "connected") continue;
  test(`${what} is there as a whole or not at all when the engine that restores it is killed (${RUNS} times, seed ${SEED})`, {
    skip: skipped(name),
  }, async (t) => {
    // What the engine leaves behind becomes ours, and is reaped at once.
    sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
    await using program = await startSubject(name);
    const tree = treeOf(program.pid);
    using _tree = endingWith(program.pid);
    await using service = await startService();
    const images = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory: images });
    await until("it is gone", () => leftOf(tree).length === 0);
    const start = () => Engine.start("restore", images);
    const longestUs = await measureOne(start);
    await killed(program, tree);
    let whole = 0;
    for (const us of moments(longestUs)) {
      await using engine = await start();
      engine.killAfter(us);
      const before = beats(program);
      await until(
        "it works on or is gone",
        () => leftOf(tree).length === 0 || standingStill(program, before).length === 0,
      ).catch(() => assert.fail(leftOf(tree).map(describe).join("\n")));
      await until("nothing else is left", () => leftOf(inSession(engine.child.pid ?? 0)).length === 0).catch(
        () => undefined,
      );
      assert.deepEqual(leftOf(inSession(engine.child.pid ?? 0)).map(describe), [], "of the engine");
      if (leftOf(tree).length === 0) continue;
      whole++;
      await killed(program, tree);
    }
    t.diagnostic(`the longest restore took ${longestUs} us, ${whole} of ${RUNS} were there as a whole`);
    assert.equal(program.output(), "ready\n");
  });
}

async function killed(program: Program, tree: readonly Pid[]): Promise<void> {
  await program.end();
  await until("it is gone", () => leftOf(tree).length === 0);
}
