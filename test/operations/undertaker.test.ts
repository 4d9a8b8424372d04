// A tree that is let go process by process ends with the engine, until it has been let go as a whole.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStat } from "../../src/kernel/proc/stat.js";
import { until } from "../scenarios/round-trip.js";
import { startProgram } from "../support/program.js";
import { Engine, inSession, leftOf } from "./engine-process.js";

test("processes that run already end with an engine that is killed before it has let go of all, and nothing else is left", async () => {
  await using one = await startProgram("idle");
  await using other = await startProgram("idle");
  await using engine = await Engine.start("undertake", String(one.pid), String(other.pid));
  engine.go();
  await engine.done();
  assert.equal(readStat(one.pid)?.state, "S");
  engine.child.kill("SIGKILL");
  await engine.gone();
  await one.gone();
  await other.gone();
  await until("the undertaker has ended", () => leftOf(inSession(engine.child.pid ?? 0)).length === 0);
});

test("they live on when all were let go before", async () => {
  await using one = await startProgram("idle");
  await using other = await startProgram("idle");
  await using engine = await Engine.start("undertake", String(one.pid), String(other.pid));
  engine.go();
  await engine.done();
  engine.go();
  await engine.gone();
  assert.deepEqual(leftOf(inSession(engine.child.pid ?? 0)), []);
  for (const program of [one, other]) {
    program.signal("SIGUSR2");
    await program.waitFor("changed");
  }
});
