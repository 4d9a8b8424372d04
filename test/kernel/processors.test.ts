import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { onlineProcessors, parseCpuList } from "../../src/kernel/processors.js";

test("a list of processors has numbers and ranges", () => {
  assert.deepEqual(parseCpuList("0-3,8\n"), [0, 1, 2, 3, 8]);
  assert.deepEqual(parseCpuList("5\n"), [5]);
});

test("those that are online are at least as many as we may run on", () => {
  assert.ok(onlineProcessors().length >= availableParallelism());
});
