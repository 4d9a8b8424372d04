import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { W } from "../../src/kernel/abi/process.js";
import { runApart } from "../../src/kernel/apart.js";
import { failureOf, prepared, RepeatedCalls, runShared, runTogether } from "../../src/kernel/batch.js";
import { asFd, asPid } from "../../src/kernel/brand.js";
import { sys } from "../../src/kernel/syscalls.js";
import { share } from "../../src/kernel/thread.js";

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

test("lists that are shared with a thread have each their own results", () => {
  const pidfds = Array.from({ length: 200 }, () => prepared.pidfd_open(asPid(process.pid), 0));
  const [failed = [], opened = []] = runShared([[prepared.close(nobody), prepared.close(nobody)], pidfds]);
  assert.deepEqual(failed, [-9n, -9n]);
  // The descriptors are of one table, whichever thread made them.
  assert.equal(new Set(opened).size, pidfds.length);
  assert.deepEqual(
    runTogether(opened.map((fd) => prepared.close(asFd(Number(fd))))),
    pidfds.map(() => 0n),
  );
});

test("a thread that makes calls does so while we go on, and is gone soon after", () => {
  const threads = () => readdirSync("/proc/self/task").length;
  const before = threads();
  const calls = new RepeatedCalls(Array.from({ length: 300 }, () => prepared.close(nobody)));
  for (let time = 0; time < 20; time++) {
    const sharing = share([calls.part(0, 200)]);
    if (availableParallelism() > 1) while (!sharing.isDone) sys.sched_yield();
    assert.notEqual(calls.result(200), -9);
    sharing.finish();
    assert.equal(calls.result(199), -9);
  }
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
