// The engine gets no processor for longer than a diverted thread waits for it: that one has gone back to its own work by then, the dump fails or is
// complete, and the program works on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { endingWith, treeOf, until } from "../scenarios/round-trip.js";
import { beats, measureOne, moments, SEED, skipped, standingStill, startSubject, subjects } from "./crash-subjects.js";
import { describe, Engine, isTraced, newDirectory } from "./engine-process.js";

/** Longer than a thread waits before it goes home. */
const HELD_UP_MS = 3500;
const MOMENTS = 4;

for (const [name, { what }] of Object.entries(subjects)) {
  test(`${what} works on when the engine that dumps it is held up for ${HELD_UP_MS} ms (seed ${SEED})`, {
    skip: skipped(name),
  }, async (t) => {
    const longestUs = await dumpOf(name, (start) => measureOne(start));
    const outcomes: string[] = [];
    // One after the other: four such programs would keep two processors from each other for longer than a dump waits.
    for (const us of moments(longestUs, MOMENTS)) outcomes.push(await dumpOf(name, (start) => holdUp(start, us)));
    const failed = outcomes.filter((outcome) => outcome !== "complete");
    for (const complaint of failed)
      assert.match(
        complaint,
        /stasis was held up for more than \d+ s, and it went back to its own work; try again when/,
      );
    t.diagnostic(`${failed.length} of ${MOMENTS} dumps failed`);
  });
}

/** Has `work` dump a program of its own, which works on afterwards. */
async function dumpOf<T>(name: string, work: (start: () => Promise<Engine>) => Promise<T>): Promise<T> {
  await using program = await startSubject(name);
  using _tree = endingWith(program.pid);
  using images = newDirectory();
  const result = await work(() => Engine.start("dump", images.path, String(program.pid)));
  const before = beats(program);
  await until("every worker goes on", () => standingStill(program, before).length === 0).catch(() =>
    assert.fail([...treeOf(program.pid).map(describe), program.output()].join("\n")),
  );
  assert.ok(!treeOf(program.pid).some(isTraced));
  program.signal("SIGUSR2");
  await program.waitFor("restored");
  return result;
}

/** Stops the engine so long after it was told to go; result: its complaint. */
async function holdUp(start: () => Promise<Engine>, us: number): Promise<string> {
  await using engine = await start();
  engine.signalAfter(us, "SIGSTOP");
  await sleep(HELD_UP_MS);
  engine.child.kill("SIGCONT");
  if (await engine.ended()) return "complete";
  if (engine.child.stderr?.readableEnded === false) await once(engine.child.stderr, "end");
  return engine.complaint;
}
