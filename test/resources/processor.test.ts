import assert from "node:assert/strict";
import { test } from "node:test";
import type { CpuinfoX86Entry } from "../../src/images/format/entries.js";
import { featureBit, readProcessor } from "../../src/kernel/processor.js";
import { CPU_CAP, CPU_CAP_ALL, compareProcessor, describeProcessor } from "../../src/resources/processor.js";

const here = readProcessor();
const AVX512F = featureBit(9, 16);
const without = (bit: number) => ({
  ...here,
  features: here.features.map((word, at) => (at === bit >>> 5 ? (word & ~(1 << (bit & 31))) >>> 0 : word)),
});
const { FPU, CPU, INS } = CPU_CAP;
const compare = (cap: number, changed: (x86: CpuinfoX86Entry) => void, processor = here) => {
  const entry = describeProcessor();
  const [x86] = entry.x86Entry;
  assert.ok(x86 !== undefined);
  changed(x86);
  compareProcessor(entry, cap, processor);
};
const unchanged = () => undefined;
const refuses = (cap: number, message: string | RegExp, changed: (x86: CpuinfoX86Entry) => void, processor = here) =>
  assert.throws(() => compare(cap, changed, processor), { message });

test("a processor can stand in for itself", () => compare(CPU_CAP_ALL, unchanged));

test("what it lacks is named; having more is no fault, unless everything has to be the same", () => {
  const withAvx = (x86: CpuinfoX86Entry) => {
    x86.capability[9] = ((x86.capability[9] ?? 0) | (1 << 16)) >>> 0;
  };
  refuses(
    INS,
    "Cannot restore on this processor: it lacks instructions of the image: avx512f; restore on a processor like the one of the dump, or leave this check out of --cpu-cap",
    withAvx,
    without(AVX512F),
  );
  const none = (x86: CpuinfoX86Entry) => x86.capability.fill(0);
  compare(INS | FPU, none);
  refuses(CPU, /its features are not the same \(word 0: 0x[0-9a-f]+ here, 0x0 in the image/, none);
});

test("the state that XSAVE keeps has to fit", () => {
  refuses(FPU, /does not keep the state components 0x40000000000 of the image/, (x86) => {
    x86.xfeaturesMask |= 1n << 42n;
  });
  refuses(FPU, /XSAVE area has \d+ of at most \d+ bytes, that of the image 64 of \d+/, (x86) => {
    x86.xsaveSize = 64;
  });
  compare(INS, (x86) => {
    x86.xsaveSize = 64;
  });
});

test("images of older versions are compared by what they have", () => {
  compare(CPU_CAP_ALL, (x86) => {
    x86.capabilityVer = 1;
    x86.capability.length = 12;
  });
});

test("an image that cannot be is refused in words", () => {
  refuses(INS, "Cannot read the image cpuinfo.img: it has 11 words of features, version 2 has 19", (x86) => {
    x86.capability.length = 11;
  });
  refuses(INS, "Cannot read the image cpuinfo.img: its version 3 is none that is known", (x86) => {
    x86.capabilityVer = 3;
  });
  refuses(INS, "Cannot read the image cpuinfo.img: its vendor 0 is none that is known", (x86) => {
    x86.vendorId = 0;
  });
});

test("a vendor without a number has no place in the image", () => {
  assert.throws(() => describeProcessor({ ...here, vendor: "CentaurHauls" }), /its vendor "CentaurHauls" has no place/);
});
