import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { listChildren, listThreads, parseChildren } from "../../../src/kernel/proc/tasks.js";
import { understandsOrRefuses } from "./throws-only.js";

test("children are a list of pids", () => {
  assert.deepEqual(parseChildren("12 345 \n"), [12, 345]);
  assert.deepEqual(parseChildren(""), []);
});

test("any text gives children or is refused", () => {
  understandsOrRefuses(parseChildren, ["12 345 "]);
});

test("node has more threads than its main thread", () => {
  const threads = listThreads(asPid(process.pid));
  assert.ok(threads.length > 1);
  assert.ok(threads.includes(asPid(process.pid)));
});

test("a child that we start is listed until it ended and was waited for", async () => {
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
  assert.ok(child.pid !== undefined);
  assert.ok(listChildren(asPid(process.pid)).includes(asPid(child.pid)));
  child.stdin?.end();
  await once(child, "exit");
  assert.ok(!listChildren(asPid(process.pid)).includes(asPid(child.pid)));
});

test("a process that is gone has neither threads nor children", () => {
  assert.deepEqual(listThreads(asPid(0x3fffff)), []);
  assert.deepEqual(listChildren(asPid(0x3fffff)), []);
});
