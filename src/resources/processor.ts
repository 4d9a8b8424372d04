// The processor that a tree was dumped on (cpuinfo.img), and whether this one can stand in for it: a C library chooses its code once, by
// CPUID, and a program that was dumped in the middle of it would meet an illegal instruction elsewhere. Modes: criurpc's `cpu_cap`.
import { create } from "@bufbuild/protobuf";
import {
  type CpuinfoEntry,
  CpuinfoEntrySchema,
  CpuinfoX86Entry_Vendor,
  CpuinfoX86EntrySchema,
} from "../images/format/entries.js";
import { invalid } from "../images/format/fault.js";
import { FEATURE_WORDS, featureBit, hasBit, type Processor, readProcessor } from "../kernel/processor.js";
import { StasisError } from "../report/error.js";

/** Bits of `cpu_cap`. */
export const CPU_CAP = {
  /** The state of the floating point unit fits. */
  FPU: 1,
  /** Every feature word is the same. */
  CPU: 2,
  /** This processor has every instruction of the other one. */
  INS: 4,
  /** The image is written by a dump, and compared by a restore. */
  IMAGE: 8,
} as const;
export const CPU_CAP_ALL = CPU_CAP.FPU | CPU_CAP.CPU | CPU_CAP.INS;
export const CPU_CAP_DEFAULT = CPU_CAP.FPU | CPU_CAP.INS;

const FILE = "cpuinfo.img";
const { INTEL, AMD } = CpuinfoX86Entry_Vendor;
const vendors: Readonly<Record<string, CpuinfoX86Entry_Vendor>> = {
  GenuineIntel: INTEL,
  AuthenticAMD: AMD,
  HygonGenuine: AMD,
};
/** What `capability_ver` says about the number of words. */
const wordsOfVersion: Readonly<Record<number, number>> = { 1: 12, 2: FEATURE_WORDS };
const VERSION = 2;
/** CRIU clears two components that it does not mean to (SSE and the first of MPX: the number 10 where the bit 10 was meant), and refuses images that have them. */
const NEVER_IN_IMAGE = 0b1010n;

/** @throws StasisError HOST_UNSUPPORTED for a vendor that the image has no number for */
export function describeProcessor(processor: Processor = readProcessor()): CpuinfoEntry {
  const { vendor, family, model, stepping, features, name, xfeatures, xsaveSizeBytes, xsaveMaxBytes } = processor;
  const vendorId = vendors[vendor];
  if (vendorId === undefined) {
    throw new StasisError({
      code: "HOST_UNSUPPORTED",
      doing: "describe",
      subject: { kind: "host", what: "the processor" },
      reason: `its vendor ${JSON.stringify(vendor)} has no place in the image`,
      remedy: "leave out --cpu-cap",
    });
  }
  const x86 = create(CpuinfoX86EntrySchema, {
    vendorId,
    cpuFamily: family,
    model,
    stepping,
    capabilityVer: VERSION,
    capability: [...features],
    ...(name === "" ? {} : { modelId: name }),
    xfeaturesMask: xfeatures & ~NEVER_IN_IMAGE,
    xsaveSize: xsaveSizeBytes,
    xsaveSizeMax: xsaveMaxBytes,
  });
  return create(CpuinfoEntrySchema, { x86Entry: [x86] });
}

/**
 * Refuses when this processor cannot stand in for the one in the image, under the modes in `cap`.
 * @throws StasisError IMAGE_INVALID, PROCESSOR_UNSUITABLE
 */
export function compareProcessor(entry: CpuinfoEntry, cap: number, here: Processor = readProcessor()): void {
  const there = fromImage(entry, here);
  const objection =
    ((cap & CPU_CAP.FPU) !== 0 ? stateObjection(there, here) : undefined) ??
    ((cap & CPU_CAP.INS) !== 0 ? instructionObjection(there, here) : undefined) ??
    ((cap & CPU_CAP.CPU) !== 0 ? differenceObjection(there, here) : undefined);
  if (objection === undefined) return;
  throw new StasisError({
    code: "PROCESSOR_UNSUITABLE",
    doing: "restore on",
    subject: { kind: "host", what: "this processor" },
    reason: objection,
    remedy: "restore on a processor like the one of the dump, or leave this check out of --cpu-cap",
  });
}

type Compared = Pick<Processor, "features" | "xfeatures" | "xsaveSizeBytes" | "xsaveMaxBytes">;

/** What an old image has no place for counts as equal. */
function fromImage({ x86Entry }: CpuinfoEntry, here: Processor): Compared {
  const [x86] = x86Entry;
  if (x86 === undefined || x86Entry.length > 1)
    throw invalid({ file: FILE }, `it describes ${x86Entry.length} x86 processors, it has to describe one`);
  if (x86.vendorId !== INTEL && x86.vendorId !== AMD)
    throw invalid({ file: FILE }, `its vendor ${x86.vendorId} is none that is known`);
  const words = wordsOfVersion[x86.capabilityVer];
  if (words === undefined) throw invalid({ file: FILE }, `its version ${x86.capabilityVer} is none that is known`);
  if (x86.capability.length !== words)
    throw invalid(
      { file: FILE },
      `it has ${x86.capability.length} words of features, version ${x86.capabilityVer} has ${words}`,
    );
  const given = <T>(field: "xfeaturesMask" | "xsaveSize" | "xsaveSizeMax", value: T, otherwise: T) =>
    Object.hasOwn(x86, field) ? value : otherwise;
  return {
    features: [...x86.capability, ...here.features.slice(words)],
    xfeatures: given("xfeaturesMask", x86.xfeaturesMask, here.xfeatures),
    xsaveSizeBytes: given("xsaveSize", x86.xsaveSize, here.xsaveSizeBytes),
    xsaveMaxBytes: given("xsaveSizeMax", x86.xsaveSizeMax, here.xsaveMaxBytes),
  };
}

const stateBits = {
  fpu: featureBit(0, 0),
  fxsr: featureBit(0, 24),
  osxsave: featureBit(4, 27),
  xsaves: featureBit(10, 3),
};

function stateObjection(there: Compared, here: Compared): string | undefined {
  const lacking = Object.entries(stateBits).filter(
    ([, bit]) => hasBit(there.features, bit) && !hasBit(here.features, bit),
  );
  if (lacking.length > 0) return `it has no ${lacking.map(([name]) => name).join(", ")}, which the image needs`;
  const missing = there.xfeatures & ~here.xfeatures;
  if (missing !== 0n) return `it does not keep the state components 0x${missing.toString(16)} of the image`;
  if (there.xsaveSizeBytes !== here.xsaveSizeBytes || there.xsaveMaxBytes !== here.xsaveMaxBytes)
    return `its XSAVE area has ${here.xsaveSizeBytes} of at most ${here.xsaveMaxBytes} bytes, that of the image ${there.xsaveSizeBytes} of ${there.xsaveMaxBytes}`;
  return undefined;
}

function instructionObjection(there: Compared, here: Compared): string | undefined {
  const lacking = instructions.filter(([, bit]) => hasBit(there.features, bit) && !hasBit(here.features, bit));
  return lacking.length === 0
    ? undefined
    : `it lacks instructions of the image: ${lacking.map(([name]) => name).join(", ")}`;
}

function differenceObjection(there: Compared, here: Compared): string | undefined {
  const words = there.features.flatMap((word, index) => (word === here.features[index] ? [] : [index]));
  const shown = words.map((at) => `${at}: ${hex(here.features[at])} here, ${hex(there.features[at])} in the image`);
  return words.length === 0 ? undefined : `its features are not the same (word ${shown.join("; ")})`;
}
const hex = (word = 0) => `0x${word.toString(16)}`;

const inWord = (word: number, bits: Readonly<Record<string, number>>) =>
  Object.entries(bits).map(([name, bit]) => [name, featureBit(word, bit)] as const);
/** What a program can execute; the others are the system's business. Names as in /proc/cpuinfo. */
const instructions = [
  ...inWord(0, { fpu: 0, tsc: 4, cx8: 8, sep: 11, cmov: 15, clflush: 19, mmx: 23, fxsr: 24, sse: 25, sse2: 26 }),
  ...inWord(1, { syscall: 11, mmxext: 22, rdtscp: 27, "3dnowext": 30, "3dnow": 31 }),
  ...inWord(3, { rep_good: 16, nopl: 20 }),
  ...inWord(4, { pni: 0, pclmulqdq: 1, monitor: 3, ssse3: 9, cx16: 13, sse4_1: 19, sse4_2: 20, movbe: 22, popcnt: 23 }),
  ...inWord(4, { aes: 25, xsave: 26, osxsave: 27, avx: 28, f16c: 29, rdrand: 30 }),
  ...inWord(6, { abm: 5, sse4a: 6, misalignsse: 7, "3dnowprefetch": 8, xop: 11, fma4: 16, tbm: 21 }),
  ...inWord(9, {
    fsgsbase: 0,
    bmi1: 3,
    hle: 4,
    avx2: 5,
    bmi2: 8,
    erms: 9,
    rtm: 11,
    mpx: 14,
    avx512f: 16,
    avx512dq: 17,
  }),
  ...inWord(9, { rdseed: 18, adx: 19, clflushopt: 23, avx512pf: 26, avx512er: 27, avx512cd: 28, sha_ni: 29 }),
  ...inWord(9, { avx512bw: 30, avx512vl: 31 }),
  ...inWord(10, { xsaveopt: 0, xsavec: 1, xgetbv1: 2 }),
  ...inWord(11, {
    avx512vbmi: 1,
    avx512_vbmi2: 6,
    gfni: 8,
    vaes: 9,
    vpclmulqdq: 10,
    avx512_vnni: 11,
    avx512_bitalg: 12,
  }),
  ...inWord(11, { tme: 13, avx512_vpopcntdq: 14, rdpid: 22 }),
  ...inWord(13, { clzero: 0 }),
  ...inWord(18, { avx512_4vnniw: 2, avx512_4fmaps: 3 }),
];
