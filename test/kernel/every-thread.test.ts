import assert from "node:assert/strict";
import { test } from "node:test";
import { PR } from "../../src/kernel/abi/prctl.js";
import { asPid } from "../../src/kernel/brand.js";
import { inEveryThread } from "../../src/kernel/every-thread.js";
import { readThreadStatus } from "../../src/kernel/proc/status.js";
import { listThreads } from "../../src/kernel/proc/tasks.js";
import { syscalls } from "../../src/kernel/syscalls.js";

test("a call is made in every thread of ours, and glibc's own way of doing so works on", () => {
  const self = asPid(process.pid);
  const threads = listThreads(self);
  assert.ok(threads.length > 1);
  const has = () => threads.filter((tid) => readThreadStatus(self, tid)?.noNewPrivs === true);
  assert.deepEqual(has(), []);
  inEveryThread(syscalls.prctl, [PR.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  assert.deepEqual(has(), threads);
  process.setegid?.(1);
  assert.deepEqual(
    threads.map((tid) => readThreadStatus(self, tid)?.gids[1]),
    threads.map(() => 1),
  );
});
