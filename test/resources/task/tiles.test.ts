// The tiles of AMX, on processors that have them.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { roundTrip, startService } from "../../scenarios/round-trip.js";
import { type Program, startProgram } from "../../support/program.js";

/** Whether the processor has tiles; where it has none the test is skipped. */
function hasTiles(t: TestContext, program: Program): boolean {
  const missing = /not here: .*/.exec(program.output())?.[0];
  if (missing !== undefined) t.skip(missing);
  return missing === undefined;
}
const goOn = async (program: Program) => {
  writeFileSync(join(program.directory, "told"), "");
  await program.waitFor("restored");
};

test("a process that may use tiles may do so after a restore", async (t) => {
  await using service = await startService();
  await using program = await startProgram("tiles", { arguments: ["idle"] });
  if (!hasTiles(t, program)) return;
  await roundTrip(service, program.pid);
  await goOn(program);
});

test("a thread whose tiles are in use is refused by name, and has them afterwards", async (t) => {
  await using service = await startService();
  await using program = await startProgram("tiles", { arguments: ["busy"] });
  if (!hasTiles(t, program)) return;
  await assert.rejects(
    service.client.dump({ pid: program.pid, imagesDirectory: service.images() }),
    /the tiles of AMX are in use in its thread \d+, which is not supported yet; dump it again: they are in use while/,
  );
  await goOn(program);
});
