import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { featureBit, hasBit, readProcessor } from "../../src/kernel/processor.js";

const cpuinfo = readFileSync("/proc/cpuinfo", "utf8");
const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(cpuinfo)?.[1];

test("vendor, family, model and stepping are those that the kernel shows", () => {
  const { vendor, family, model, stepping } = readProcessor();
  assert.deepEqual(
    [vendor, String(family), String(model), String(stepping)],
    [field("vendor_id"), field("cpu family"), field("model"), field("stepping")],
  );
});

// Not compared with the kernel's: a hypervisor may tell it another one than the processor tells programs.
test("the name is told without the blanks around it", () => {
  const brand = Buffer.alloc(48, " ");
  brand.write("Processor of Nobody", 5);
  const { name } = readProcessor((leaf) => {
    if (leaf === 0x80000000) return { eax: 0x80000004, ebx: 0, ecx: 0, edx: 0 };
    const [eax, ebx, ecx, edx] = [0, 4, 8, 12].map((at) =>
      leaf >= 0x80000002 && leaf <= 0x80000004 ? brand.readUInt32LE((leaf - 0x80000002) * 16 + at) : 0,
    );
    return { eax: eax ?? 0, ebx: ebx ?? 0, ecx: ecx ?? 0, edx: edx ?? 0 };
  });
  assert.equal(name, "Processor of Nobody");
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
