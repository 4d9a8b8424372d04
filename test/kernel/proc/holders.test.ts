import assert from "node:assert/strict";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { findHolder } from "../../../src/kernel/proc/holders.js";

test("a process that has a file open is found, unless it is left out", () => {
  const fd = openSync("/proc/self/stat", "r");
  const link = readlinkSync(`/proc/self/fd/${fd}`);
  assert.deepEqual(findHolder(new Set([link]), new Set()), { pid: process.pid, link });
  assert.equal(findHolder(new Set([link]), new Set([process.pid])), undefined);
  closeSync(fd);
  assert.equal(findHolder(new Set([link]), new Set()), undefined);
});
