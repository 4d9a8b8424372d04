import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { O } from "../../src/kernel/abi/fcntl.js";
import { Beside } from "../../src/kernel/apart.js";
import { prepared } from "../../src/kernel/batch.js";
import { AT_FDCWD, asFd } from "../../src/kernel/brand.js";

const nobody = asFd(1_000_000);

test("what is run apart is finished although we are killed", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-batch-"));
  const [begun, done] = [join(directory, "begun"), join(directory, "done")];
  const module = (name: string) => JSON.stringify(new URL(`../../src/kernel/${name}.js`, import.meta.url).href);
  const script = `
    const { prepared } = await import(${module("batch")});
    const { runApart } = await import(${module("apart")});
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
