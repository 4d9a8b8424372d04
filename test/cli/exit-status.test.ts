// What dump and restore exit with: scripts on them decide by it. criu(8)'s own statuses.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program as stasis } from "../service/running-service.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";

const { directory, images } = placeFor("exit-status");

const run = (...args: readonly string[]) => spawnSync(stasis, args, { encoding: "utf8", timeout: 60_000 });
const startSleeping = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(100000)"],
  });

/** A script that refuses one step, and writes all down. */
function refusing(step: string): { readonly script: string; readonly steps: () => string } {
  const script = join(directory, `refuse-${step}`);
  const told = `${script}.told`;
  writeFileSync(
    script,
    `#!/bin/sh\necho "$CRTOOLS_SCRIPT_ACTION" >> ${told}\n[ "$CRTOOLS_SCRIPT_ACTION" != ${step} ]\n`,
  );
  chmodSync(script, 0o755);
  return { script, steps: () => (existsSync(told) ? readFileSync(told, "utf8").trim().replaceAll("\n", " ") : "") };
}

test("a dump that a script refuses ends with 1, with 255 when the images were whole already; the program runs on", async () => {
  await using program = await startSleeping();
  const expected = { "pre-dump": [1, "pre-dump"], "post-dump": [255, "pre-dump post-dump"] } as const;
  for (const [step, [status, told]] of Object.entries(expected)) {
    const { script, steps } = refusing(step);
    const dumped = run("dump", "-t", String(program.pid), "-D", images(), "--action-script", script);
    assert.deepEqual([dumped.status, steps()], [status, told]);
    assert.match(
      dumped.stderr,
      new RegExp(`the ${step} notification was refused; have the client or script accept it\n$`),
    );
  }
  assert.equal(run("dump", "-t", String(program.pid), "-D", images(), "-R").status, 0);
});

test("a restore with -d ends at once and writes its pid file; one that a script refuses ends with 1", async () => {
  await using program = await startSleeping();
  const imagesDirectory = images();
  assert.equal(run("dump", "-t", String(program.pid), "-D", imagesDirectory).status, 0);
  await program.gone();
  const { script, steps } = refusing("post-restore");
  const refused = run("restore", "-d", "-D", imagesDirectory, "--action-script", script, "--pidfile", "root.pid");
  assert.deepEqual([refused.status, steps()], [1, "pre-restore post-restore"]);
  await program.gone();
  assert.equal(existsSync(join(imagesDirectory, "root.pid")), false);
  assert.equal(run("restore", "-d", "-D", imagesDirectory, "--pidfile", "root.pid").status, 0);
  assert.equal(readFileSync(join(imagesDirectory, "root.pid"), "utf8"), String(program.pid));
});

test("a restore without -d waits until what it restored has ended; a program to become that is not there is 1", async () => {
  await using program = await startSleeping();
  const imagesDirectory = images();
  assert.equal(run("dump", "-t", String(program.pid), "-D", imagesDirectory).status, 0);
  await program.gone();
  const restoring = spawn(stasis, ["restore", "-D", imagesDirectory, "-v3"], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(restoring, "exit");
  for await (const text of restoring.stderr) if (String(text).includes("restored, the root is pid")) break;
  assert.equal(restoring.exitCode, null);
  program.signal("SIGKILL");
  assert.deepEqual(await ended, [0, null]);
  const exec = run("restore", "-d", "-D", imagesDirectory, "--exec-cmd", "--", "/nowhere/program");
  assert.equal(exec.status, 1);
  assert.match(exec.stderr, /Cannot become the program "\/nowhere\/program": ENOENT/);
});
