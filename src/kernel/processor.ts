// What the processor can do, as 32-bit words of feature bits in the order that the kernel kept them in up to 4.20
// (arch/x86/include/asm/cpufeatures.h), with the state that XSAVE keeps. Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
import { type Cpuid, cpuid } from "./cpuid.js";

export interface Processor {
  /** "GenuineIntel", "AuthenticAMD" */
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** "Intel(R) Xeon(R) Processor"; empty when it does not say. */
  readonly name: string;
  readonly features: readonly number[];
  /** State components that a program may have: XCR0 less what the system keeps for itself. */
  readonly xfeatures: bigint;
  /** Of the area that XSAVE writes: with what is enabled, and with everything. 0 without XSAVE. */
  readonly xsaveSizeBytes: number;
  readonly xsaveMaxBytes: number;
}

/** How many words; and the number of the bit `feature` of word `word`. */
export const FEATURE_WORDS = 19;
export const featureBit = (word: number, bit: number): number => word * 32 + bit;

export function hasBit(words: readonly number[], bit: number): boolean {
  return (((words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
}

type Leaf = readonly [leaf: number, subleaf: number, register: keyof Cpuid];
/** Which register of CPUID a word is; the words in between are the kernel's own. */
const leaves: Readonly<Record<number, Leaf>> = {
  0: [0x1, 0, "edx"],
  1: [0x80000001, 0, "edx"],
  4: [0x1, 0, "ecx"],
  6: [0x80000001, 0, "ecx"],
  9: [0x7, 0, "ebx"],
  10: [0xd, 1, "eax"],
  11: [0x7, 0, "ecx"],
  12: [0xf, 1, "edx"],
  13: [0x80000008, 0, "ebx"],
  14: [0x6, 0, "eax"],
  15: [0x8000000a, 0, "edx"],
  16: [0xf, 0, "edx"],
  17: [0x80000007, 0, "ebx"],
  18: [0x7, 0, "edx"],
};
const EXTENDED = 0x80000000;
const XSTATE = 0xd;

/** Words that are set by the kernel rather than read: REP_GOOD and NOPL are true of every 64-bit processor, CPUID of every one that answers. */
const REP_GOOD = featureBit(3, 16);
const NOPL = featureBit(3, 20);
const CPUID_INSTRUCTION = featureBit(3, 25);
const XSAVE = featureBit(4, 26);
const CQM_LLC = featureBit(16, 1);
/** CQM's details are there only with it. */
const MONITORING_WORD = 12;

/** Asks this processor; `ask` stands in for it in tests. */
export function readProcessor(ask: (leaf: number, subleaf: number) => Cpuid = cpuid): Processor {
  const basic = ask(0, 0);
  const vendor = text([basic.ebx, basic.edx, basic.ecx]);
  const extended = ask(EXTENDED, 0).eax;
  const reaches = (leaf: number) => (leaf >= EXTENDED ? extended >= leaf : basic.eax >= leaf);
  const features = Array.from({ length: FEATURE_WORDS }, (_, word) => {
    const [leaf, subleaf, register] = leaves[word] ?? [];
    return leaf === undefined || subleaf === undefined || register === undefined || !reaches(leaf)
      ? 0
      : ask(leaf, subleaf)[register];
  });
  if (!hasBit(features, CQM_LLC)) features[MONITORING_WORD] = 0;
  const signature = ask(1, 0).eax;
  adjust(features, { vendor, family: familyOf(signature), hasXstate: reaches(XSTATE) });
  return {
    vendor,
    family: familyOf(signature),
    model: modelOf(signature),
    stepping: signature & 0xf,
    name: reaches(0x80000004) ? nameOf(ask) : "",
    features,
    ...(hasBit(features, XSAVE) ? stateOf(features, ask) : { xfeatures: 0n, xsaveSizeBytes: 0, xsaveMaxBytes: 0 }),
  };
}

/** Fifteen and six say that more bits follow higher up. */
function familyOf(signature: number): number {
  const family = (signature >>> 8) & 0xf;
  return family === 0xf ? family + ((signature >>> 20) & 0xff) : family;
}
function modelOf(signature: number): number {
  const model = (signature >>> 4) & 0xf;
  return familyOf(signature) >= 6 ? model + (((signature >>> 16) & 0xf) << 4) : model;
}

const PENTIUM_4 = 15;
const ERMS = featureBit(9, 9);
/** On AMD it stands for another 3DNow than the one in word 1. */
const AMD_3DNOW = featureBit(0, 31);

/** What arch/x86/kernel/cpu corrects: early_init_intel, early_init_amd, filter_cpuid_features. */
function adjust(features: number[], about: { vendor: string; family: number; hasXstate: boolean }): void {
  const set = (bit: number, on: boolean) => {
    const word = features[bit >>> 5] ?? 0;
    const mask = 1 << (bit & 31);
    features[bit >>> 5] = (on ? word | mask : word & ~mask) >>> 0;
  };
  set(CPUID_INSTRUCTION, true);
  set(NOPL, true);
  if (!about.hasXstate) set(XSAVE, false);
  if (about.vendor === "GenuineIntel") {
    if (about.family === PENTIUM_4) set(ERMS, false);
    set(REP_GOOD, about.family === 6);
  } else {
    set(AMD_3DNOW, false);
    set(REP_GOOD, about.family >= 0x10);
  }
}

function nameOf(ask: (leaf: number, subleaf: number) => Cpuid): string {
  const words = [2, 3, 4].flatMap((part) => {
    const { eax, ebx, ecx, edx } = ask(EXTENDED + part, 0);
    return [eax, ebx, ecx, edx];
  });
  return text(words).trim();
}

const text = (words: readonly number[]): string =>
  Buffer.from(Uint32Array.from(words).buffer).toString("latin1").split("\0", 1)[0] ?? "";

/** Each component with the feature that it needs: x87, SSE, AVX, MPX twice, AVX-512 three times, protection keys. */
const components: readonly (readonly [component: number, feature: number])[] = [
  [0, featureBit(0, 0)],
  [1, featureBit(0, 25)],
  [2, featureBit(4, 28)],
  [3, featureBit(9, 14)],
  [4, featureBit(9, 14)],
  [5, featureBit(9, 16)],
  [6, featureBit(9, 16)],
  [7, featureBit(9, 16)],
  [9, featureBit(11, 3)],
];

function stateOf(features: readonly number[], ask: (leaf: number, subleaf: number) => Cpuid) {
  const { eax, ebx, ecx, edx } = ask(XSTATE, 0);
  const enabled = BigInt(eax) | (BigInt(edx) << 32n);
  const xfeatures = components
    .filter(([, feature]) => hasBit(features, feature))
    .reduce((mask, [component]) => mask | (enabled & (1n << BigInt(component))), 0n);
  return { xfeatures, xsaveSizeBytes: ebx, xsaveMaxBytes: ecx };
}
