// Copy-on-write sharing between a parent and its children: seen from outside as the sum of Pss_Anon, proc_pid_smaps(5).
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Pid } from "../../../src/kernel/brand.js";
import { endingWith, roundTrip, startService, treeOf } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";

function pssAnonKiB(pid: Pid): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(rollup)?.[1]);
}
const ofTree = (root: Pid) => treeOf(root).reduce((sum, pid) => sum + pssAnonKiB(pid), 0);

test("memory that children share with their parent stays shared", async () => {
  await using service = await startService();
  await using program = await startProgram("prefork");
  using _ = endingWith(program.pid);
  const before = ofTree(program.pid);
  await roundTrip(service, program.pid);
  const after = ofTree(program.pid);
  assert.ok(after < before * 1.2, `${before} KiB of anonymous memory became ${after} KiB`);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("a dump that leaves them running leaves their memory shared", async () => {
  await using service = await startService();
  await using program = await startProgram("prefork");
  using _ = endingWith(program.pid);
  const before = ofTree(program.pid);
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  const after = ofTree(program.pid);
  assert.ok(after < before * 1.2, `${before} KiB of anonymous memory became ${after} KiB`);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("no image of a large tree, made ahead and empty, is left so", async () => {
  await using service = await startService();
  await using program = await startProgram("prefork");
  using _ = endingWith(program.pid);
  const directory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory: directory, leaveRunning: true });
  const images = readdirSync(directory).filter((name) => name.endsWith(".img"));
  assert.ok(images.filter((name) => name.startsWith("fdinfo-")).length >= treeOf(program.pid).length);
  assert.deepEqual(
    images.filter((name) => statSync(join(directory, name)).size === 0),
    [],
  );
});
