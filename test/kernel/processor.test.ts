import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { featureBit, hasBit, readProcessor } from "../../src/kernel/processor.js";

const cpuinfo = readFileSync("/proc/cpuinfo", "utf8");
const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(cpuinfo)?.[1];

test("family, model, stepping and name are those that the kernel shows", () => {
  const { vendor, family, model, stepping, name } = readProcessor();
  assert.deepEqual(
    [vendor, String(family), String(model), String(stepping), name],
    [field("vendor_id"), field("cpu family"), field("model"), field("stepping"), field("model name")],
  );
});

test("what a program can execute is what the kernel shows", () => {
  const { features } = readProcessor();
  const flags = new Set(field("flags")?.split(" "));
  const bits = {
    sse2: [0, 26],
    syscall: [1, 11],
    avx: [4, 28],
    avx2: [9, 5],
    avx512f: [9, 16],
    xsavec: [10, 1],
  } as const;
  for (const [name, [word, bit]] of Object.entries(bits))
    assert.equal(hasBit(features, featureBit(word, bit)), flags.has(name), name);
});

test("a processor without extended state has none", () => {
  const processor = readProcessor((leaf) =>
    leaf === 0
      ? { eax: 1, ebx: 0x68747541, ecx: 0x444d4163, edx: 0x69746e65 }
      : { eax: leaf === 1 ? 0x00100f42 : 0, ebx: 0, ecx: 0xffffffff, edx: 0xffffffff },
  );
  assert.equal(processor.vendor, "AuthenticAMD");
  assert.deepEqual([processor.family, processor.model, processor.stepping], [0x10, 4, 2]);
  assert.deepEqual([processor.xfeatures, processor.xsaveSizeBytes, processor.name], [0n, 0, ""]);
});
