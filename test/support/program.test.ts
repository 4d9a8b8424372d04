import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { kernelView } from "./kernel-view.js";
import { startExecutable, startProgram } from "./program.js";

test("a program is started as leader of its own session, in a directory of its own", async () => {
  await using program = await startProgram("idle");
  const view = kernelView(program.pid);
  assert.deepEqual([view.ids.pgrp, view.ids.session], [program.pid, program.pid]);
  assert.equal(view.links[0], `cwd -> ${program.directory}`);
  assert.equal(program.comm, "idle");
});

test("what the kernel shows of a sleeping program stays the same, and shows what it changes", async () => {
  await using program = await startProgram("idle");
  const before = kernelView(program.pid);
  assert.deepEqual(kernelView(program.pid), before);
  assert.deepEqual(
    before.files.map(([, link]) => link),
    [
      "/dev/null",
      `${program.directory}/output`,
      `${program.directory}/output`,
      "pipe:[2]",
      "pipe:[2]",
      "anon_inode:[eventfd]",
      `${program.directory}/locked (deleted)`,
    ],
  );
  assert.equal(before.threads.length, 2);
  assert.equal(before.timers?.length, 1);
  program.signal("SIGUSR2");
  await program.waitFor("changed");
  assert.equal(kernelView(program.pid).files.length, before.files.length + 1);
});

test("a program that was told to go on says what it found", async () => {
  await using program = await startProgram("idle", { linked: "static" });
  program.signal("SIGUSR2");
  await program.waitFor("changed");
  program.signal("SIGUSR2");
  assert.match(await program.waitFor("restored"), /^ready\nchanged\nrestored\n$/);
  await program.gone();
});

test("waiting for what a program never says ends with its output", async () => {
  await using program = await startExecutable("/bin/echo", { arguments: ["hello"], readyLine: "" });
  await assert.rejects(program.waitFor("ready"), /was to say "ready" and ended; it said:\nhello/);
});

test("a program that is disposed is gone with its directory", async () => {
  const program = await startProgram("idle");
  await program[Symbol.asyncDispose]();
  await program.gone();
  assert.equal(existsSync(program.directory), false);
});
