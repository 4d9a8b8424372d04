import assert from "node:assert/strict";
import { openSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { W } from "../../src/kernel/abi/process.js";
import { asFd } from "../../src/kernel/brand.js";
import { own } from "../../src/kernel/own-fd.js";
import { sys } from "../../src/kernel/syscalls.js";
import { restore } from "../../src/operations/restore.js";
import { settle } from "../../src/options/index.js";
import { restoreOptions } from "../../src/options/views.js";
import { alteredImages } from "../scenarios/altered-images.js";
import { startService } from "../scenarios/round-trip.js";
import { startProgram } from "../support/program.js";

const nothing = () => undefined;
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
const TIMES = 4;

// Which of the two is first is up to the scheduler: one time in two the other thread is dead before it is let go.
test("a process of two threads that dies as soon as the first of them runs can be waited for", async () => {
  await using service = await startService();
  await using program = await startProgram("timer-state");
  const directory = await alteredImages(service, program, ({ tc, threadCore }) => {
    // A signal of a timer is pending, and not handled.
    if (tc !== undefined) tc.blkSigset = 0n;
    if (threadCore !== undefined) threadCore.blkSigset = 0n;
  });
  using images = own(asFd(openSync(directory, "r")));
  const options = restoreOptions(settle({}, "restore"));
  for (let time = 0; time < TIMES; time++) {
    const { rootPid } = restore({ images: images.fd, workDir: images.fd, log, notify: () => true, options });
    const status = new Int32Array(1);
    const ended = () => sys.wait4(rootPid, new Uint8Array(status.buffer), W.__WALL | W.WNOHANG, null) === rootPid;
    const end = performance.now() + 10_000;
    while (!ended()) {
      assert.ok(performance.now() < end, "it has died, and cannot be waited for");
      await delay(5);
    }
    assert.notEqual((status[0] ?? 0) & 0x7f, 0, "it was killed by a signal");
  }
});
