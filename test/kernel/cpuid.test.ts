import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cpuid } from "../../src/kernel/cpuid.js";

test("leaf 0 names the vendor that /proc/cpuinfo shows", () => {
  const { ebx, ecx, edx } = cpuid(0, 0);
  const vendor = Buffer.from(new Uint32Array([ebx, edx, ecx]).buffer).toString("latin1");
  assert.equal(vendor, /^vendor_id\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]);
});
