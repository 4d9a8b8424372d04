import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { W } from "../../src/kernel/abi/process.js";
import { asPid } from "../../src/kernel/brand.js";
import { memoryDirectory } from "../../src/kernel/memory-directory.js";
import { sys } from "../../src/kernel/syscalls.js";
import { dump } from "../../src/operations/dump.js";
import { addMappings, touchAll } from "../../src/operations/many-mappings.js";
import { restore } from "../../src/operations/restore.js";
import { settle } from "../../src/options/index.js";
import { dumpOptions, restoreOptions } from "../../src/options/views.js";

const nothing = () => undefined;
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
const COUNT = 1100;

test("mappings that are added to the images of a program are there, of a page each, again and again", async () => {
  const child = spawn("/bin/sleep", ["60"], { stdio: "ignore", env: {} });
  await once(child, "spawn");
  // We take its end ourselves, of which Node is not told.
  child.unref();
  const pid = asPid(child.pid ?? 0);
  using images = memoryDirectory();
  const request = { images: images.fd, workDir: images.fd, log, notify: () => true };
  const end = () => dump({ ...request, options: dumpOptions(settle({ shellJob: true }, "dump"), pid) });
  const bringBack = () => restore({ ...request, options: restoreOptions(settle({ shellJob: true }, "restore")) });
  // MAP_PRIVATE of nothing, below everything that the kernel places.
  const mapped = () =>
    readFileSync(`/proc/${pid}/maps`, "latin1")
      .split("\n")
      .filter((line) => /^1[0-9a-f]{7}-1[0-9a-f]{7} rw[-x]p 00000000 00:00 0 *$/.test(line));
  end();
  const places = addMappings(images.fd, pid, COUNT);
  bringBack();
  assert.equal(mapped().length, COUNT);
  touchAll(pid, places);
  const before = mapped();
  end();
  bringBack();
  assert.deepEqual(mapped(), before);
  process.kill(pid, "SIGKILL");
  sys.wait4(pid, null, W.__WALL, null);
});
