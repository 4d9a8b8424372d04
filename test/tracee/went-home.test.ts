// A thread that waited for us in the stub until it had enough: it works on, and whatever we do then leaves it where it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../src/kernel/brand.js";
import { CallList } from "../../src/kernel/call-list.js";
import { readMappings } from "../../src/kernel/proc/maps.js";
import { placeIn } from "../../src/tracee/errand.js";
import { Foothold } from "../../src/tracee/foothold.js";
import { freezeTree, thaw } from "../../src/tracee/freeze.js";
import { TargetMemory } from "../../src/tracee/memory.js";
import { remote } from "../../src/tracee/program.js";
import { beats, standingStill, startSubject } from "../operations/crash-subjects.js";
import { endingWith, until } from "../scenarios/round-trip.js";

/** Longer than a thread waits. */
const HELD_UP_MS = 3500;
const holdUp = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HELD_UP_MS);

test("a thread that went home while we were held up is not taken back to where it was", async () => {
  await using program = await startSubject("connected");
  using _tree = endingWith(program.pid);
  const tasks = freezeTree(program.pid, { timeoutMs: 10_000, engine: asPid(process.pid) });
  const [task] = tasks;
  assert.ok(task?.state === "alive");
  const [leader] = task.threads;
  assert.ok(leader !== undefined);
  using memory = new TargetMemory(program.pid);
  const [foothold] = Foothold.plant([placeIn(leader, { memory, mappings: readMappings(program.pid) })]);
  assert.ok(foothold !== undefined);
  {
    using inside = foothold.enter(leader);
    using loaded = inside.load(CallList.of([remote.getpid()]), { keepGoing: false });
    leader.continue();
    holdUp();
    loaded.approachEnd();
    assert.throws(() => loaded.end(leader.wait()), { message: /stasis was held up for more than 3 s/ });
  }
  Foothold.remove([foothold]);
  thaw(tasks);
  const before = beats(program);
  await until(
    "every worker goes on",
    () => standingStill(program, before).length === 0 || program.output() !== "ready\n",
  );
  assert.equal(program.output(), "ready\n");
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
