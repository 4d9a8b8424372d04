import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { O } from "../../src/kernel/abi/fcntl.js";
import { W } from "../../src/kernel/abi/process.js";
import { Beside, failureOf, prepared, RepeatedCalls, runApart, runTogether } from "../../src/kernel/batch.js";
import { AT_FDCWD, asFd, asPid } from "../../src/kernel/brand.js";

const nobody = asFd(1_000_000);

for (const [name, run] of [
  ["together", runTogether],
  ["apart", runApart],
] as const)
  test(`calls that are run ${name} have each their own result, failures too`, () => {
    const calls = [prepared.close(nobody), prepared.pidfd_open(asPid(process.pid), 0), prepared.close(nobody)];
    const [first = 0n, pidfd = -1n, last = 0n] = run(calls);
    assert.equal(failureOf(calls[0] ?? prepared.close(nobody), first)?.message, "close(1000000): EBADF");
    assert.ok(pidfd > 2n);
    assert.equal(last, first);
    // The descriptor is ours, whoever made the call.
    assert.deepEqual(runTogether([prepared.close(asFd(Number(pidfd)))]), [0n]);
  });

test("what is run apart is finished although we are killed", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-batch-"));
  const [begun, done] = [join(directory, "begun"), join(directory, "done")];
  const batch = new URL("../../src/kernel/batch.js", import.meta.url).href;
  const script = `
    const { prepared, runApart } = await import(${JSON.stringify(batch)});
    const create = (path) => prepared.openat(${AT_FDCWD}, path, ${O.O_CREAT | O.O_WRONLY}, 0o600);
    const nobody = new Uint8Array(8);
    runApart([create(${JSON.stringify(begun)}), prepared.poll(nobody, 0, 500), create(${JSON.stringify(done)})]);`;
  const engine = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
  while (!existsSync(begun)) await sleep(2);
  engine.kill("SIGKILL");
  await once(engine, "exit");
  assert.equal(existsSync(done), false);
  while (!existsSync(done)) await sleep(10);
  rmSync(directory, { recursive: true });
});

test("calls are made beside us while we go on, with descriptors of their own", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-batch-"));
  const [one, other] = [join(directory, "one"), join(directory, "other")];
  const make = (path: string) => prepared.openat(AT_FDCWD, path, O.O_CREAT | O.O_WRONLY, 0o600);
  const before = readdirSync("/proc/self/fd").length;
  const beside = new Beside([make(one), prepared.close(nobody), make(other)]);
  while (!existsSync(other)) await sleep(2);
  beside.end();
  assert.ok(existsSync(one));
  assert.equal(readdirSync("/proc/self/fd").length, before);
  rmSync(directory, { recursive: true });
});

test("what is made beside us is ended before its time", () => {
  const beside = new Beside([prepared.poll(new Uint8Array(8), 0, -1)]);
  beside.end();
});

test("a call is made again while it returns 0, so many times at most", async () => {
  const EBADF = 9;
  assert.equal(new RepeatedCalls([prepared.close(asFd(-1))]).runUntil(1000), -EBADF);
  const child = spawn("/bin/cat");
  await once(child, "spawn");
  const status = new Uint8Array(4);
  const look = new RepeatedCalls([prepared.wait4(asPid(child.pid ?? 0), status, W.__WALL | W.WNOHANG, null)]);
  assert.equal(look.runUntil(1000), 0);
  child.stdin.end();
  await once(child, "exit");
});
