import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { limitOfDescriptors, makeRoomFor } from "../../src/kernel/descriptor-table.js";

/** proc_pid_status(5). */
const slots = () => Number(/^FDSize:\t(\d+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]);
const open = () => readdirSync("/proc/self/fd").length;

test("for a few descriptors the table stays as it is", () => {
  const before = slots();
  makeRoomFor(100);
  assert.equal(slots(), before);
});

test("room for descriptors is made before there are any", () => {
  const before = open();
  makeRoomFor(5000);
  assert.ok(slots() >= 5000, `there are ${slots()} slots`);
  assert.equal(open(), before);
});

test("no more room is made than there may be descriptors", () => {
  makeRoomFor(2 ** 30);
  const most = Number(limitOfDescriptors().rlim_cur);
  // A power of two.
  assert.ok(slots() >= most && slots() < Math.max(2 * most, 1024), `there are ${slots()} slots for ${most}`);
});
