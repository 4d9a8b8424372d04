import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { W } from "../../src/kernel/abi/process.js";
import { runApart } from "../../src/kernel/apart.js";
import { begin, failureOf, prepared, RepeatedCalls, runTogether } from "../../src/kernel/batch.js";
import { asFd, asPid } from "../../src/kernel/brand.js";
import { sys } from "../../src/kernel/syscalls.js";

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

test("calls that are begun have each their own result, and those made meanwhile theirs", () => {
  const nothing = new Uint8Array(8);
  const calls = [prepared.poll(nothing, 0, 20), prepared.close(nobody), prepared.pidfd_open(asPid(process.pid), 0)];
  const end = begin(calls);
  const [ours = -1n] = runTogether([prepared.pidfd_open(asPid(process.pid), 0)]);
  const [waited, failed = 0n, theirs = -1n] = end();
  assert.equal(waited, 0n);
  assert.equal(failureOf(calls[1] ?? assert.fail(), failed)?.errno, "EBADF");
  // The descriptors are of one table, whichever thread made them.
  assert.notEqual(ours, theirs);
  assert.deepEqual(runTogether([ours, theirs].map((fd) => prepared.close(asFd(Number(fd))))), [0n, 0n]);
});

test("a thread that made calls is gone soon after they have ended", () => {
  const threads = () => readdirSync("/proc/self/task").length;
  const before = threads();
  for (let time = 0; time < 20; time++) begin([prepared.close(nobody)])();
  while (threads() > before) sys.sched_yield();
});

test("rows of calls are all made, each in order, by two threads", () => {
  const rows = 100;
  const files = new RepeatedCalls(
    Array.from({ length: rows }, () => [prepared.memfd_create("row\0", 0), prepared.fcntlSet(nobody, 1, 0)]).flat(),
  );
  files.runRows(rows, 2);
  const opened = Array.from({ length: rows }, (_, row) => files.result(row * 2));
  assert.equal(new Set(opened).size, rows);
  for (let row = 0; row < rows; row++) assert.equal(files.result(row * 2 + 1), -9);
  assert.deepEqual(
    runTogether(opened.map((fd) => prepared.close(asFd(fd)))),
    opened.map(() => 0n),
  );
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
