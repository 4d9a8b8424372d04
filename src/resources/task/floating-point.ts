// FPU, SSE, AVX, AVX-512 and protection-key registers: the XSAVE area in its standard form, Intel SDM volume 1, chapter 13.
import { create } from "@bufbuild/protobuf";
import {
  type CoreEntry,
  type UserX86FpregsEntry,
  UserX86FpregsEntrySchema,
  type UserX86XsaveEntry,
  UserX86XsaveEntrySchema,
} from "../../images/format/entries.js";
import {
  featuresInUse,
  hasFeature,
  XFEATURE_XTILE_CFG,
  XFEATURE_XTILE_DATA,
  XSTATE_BV,
} from "../../kernel/abi/xstate.js";
import { cpuid } from "../../kernel/cpuid.js";
import { StasisError } from "../../report/error.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { RestoredThread, TaskPart } from "../kind.js";

/** Words that the image has fields for, by their offset in the legacy area and their width in bytes. */
const legacy = {
  stSpace: { at: 32, count: 32, width: 4 },
  xmmSpace: { at: 160, count: 64, width: 4 },
  padding: { at: 416, count: 24, width: 4 },
} as const;
/** Words of the extended components, by the number of their feature: where these lie differs between processors. */
const extended = {
  ymmhSpace: { feature: 2, count: 64, width: 4 },
  bndregState: { feature: 3, count: 8, width: 8 },
  bndcsrState: { feature: 4, count: 8, width: 8 },
  opmaskReg: { feature: 5, count: 8, width: 8 },
  zmmUpper: { feature: 6, count: 64, width: 8 },
  hi16Zmm: { feature: 7, count: 128, width: 8 },
  pkru: { feature: 9, count: 2, width: 4 },
} as const;
const LEGACY_BYTES = 512;
const CPUID_XSTATE = 0xd;
/** The features that the fields above can carry: x87, SSE, AVX, MPX (two), AVX-512 (three), PKRU. */
const CARRIED = 0x2ffn;
/** Features whose registers a program would miss: AVX and AVX-512. Bounds are no more, and a key of PKRU comes with pkey_alloc(2). */
const MISSED = 0xe4n;

/** Where each extended component lies in the standard form, in bytes, by the number of its feature. */
export type XstateOffsets = ReadonlyMap<number, number>;

let known: XstateOffsets | undefined;
/** Those of this processor: CPUID leaf 0DH, EBX of the feature's subleaf. */
export function xstateOffsets(): XstateOffsets {
  known ??= new Map(
    Object.values(extended).flatMap(({ feature }) => {
      const { eax: sizeBytes, ebx: offset } = cpuid(CPUID_XSTATE, feature);
      return sizeBytes === 0 ? [] : [[feature, offset] as const];
    }),
  );
  return known;
}

export const floatingPoint: TaskPart = {
  name: "floating-point registers",
  of: "thread",
  stage: "last",

  collect({ tracee }, core) {
    const area = tracee.xstate();
    refuseTiles(tracee, area);
    if (core.threadInfo !== undefined) core.threadInfo.fpregs = decodeXstate(area, xstateOffsets());
  },

  apply(thread) {
    checkProcessor(thread);
    setFloatingPoint(thread.tracee, thread.core);
  },
};

/** Gives a stopped thread the FPU state of the image. */
export function setFloatingPoint(tracee: Tracee, core: CoreEntry): void {
  const saved = core.threadInfo?.fpregs;
  if (saved !== undefined) tracee.setXstate(encodeXstate(saved, tracee.xstate(), xstateOffsets()));
}

function refuseTiles({ pid, tid, comm }: Tracee, area: Uint8Array): void {
  const inUse = featuresInUse(area);
  if (!hasFeature(inUse, XFEATURE_XTILE_CFG) && !hasFeature(inUse, XFEATURE_XTILE_DATA)) return;
  throw new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `the tiles of AMX are in use in its thread ${tid}, which is not supported yet`,
    remedy: "dump it again: they are in use while it multiplies matrices, until it releases them (TILERELEASE)",
  });
}

/** Registers that are in use, and that this processor does not have. */
function checkProcessor({ core, process: { pid, comm } }: RestoredThread): void {
  const used = (core.threadInfo?.fpregs?.xsave?.xstateBv ?? 0n) & MISSED;
  const missing = [...bits(used)].filter((feature) => !xstateOffsets().has(feature));
  if (missing.length === 0) return;
  throw new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore",
    subject: { kind: "process", pid, comm },
    reason: `it uses registers that this processor lacks (${missing.includes(2) ? "AVX" : "AVX-512"})`,
    remedy: "restore it on a machine whose processor has them",
  });
}

function* bits(set: bigint): Generator<number> {
  for (let bit = 0; set >> BigInt(bit) !== 0n; bit++) if ((set >> BigInt(bit)) & 1n) yield bit;
}

export function decodeXstate(area: Uint8Array, offsets: XstateOffsets): UserX86FpregsEntry {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  const entry = create(UserX86FpregsEntrySchema, {
    cwd: view.getUint16(0, true),
    swd: view.getUint16(2, true),
    twd: view.getUint16(4, true),
    fop: view.getUint16(6, true),
    rip: view.getBigUint64(8, true),
    rdp: view.getBigUint64(16, true),
    mxcsr: view.getUint32(24, true),
    mxcsrMask: view.getUint32(28, true),
    stSpace: words32(view, legacy.stSpace),
    xmmSpace: words32(view, legacy.xmmSpace),
    padding: words32(view, legacy.padding),
  });
  if (area.byteLength <= LEGACY_BYTES) return entry;
  // A component that the processor does not have leaves its field empty.
  const placed = ({ feature, count }: { feature: number; count: number }) => ({ at: offsets.get(feature), count });
  entry.xsave = create(UserX86XsaveEntrySchema, {
    xstateBv: view.getBigUint64(XSTATE_BV, true) & CARRIED,
    ymmhSpace: words32(view, placed(extended.ymmhSpace)),
    bndregState: words64(view, placed(extended.bndregState)),
    bndcsrState: words64(view, placed(extended.bndcsrState)),
    opmaskReg: words64(view, placed(extended.opmaskReg)),
    zmmUpper: words64(view, placed(extended.zmmUpper)),
    hi16Zmm: words64(view, placed(extended.hi16Zmm)),
    pkru: words32(view, placed(extended.pkru)),
  });
  return entry;
}

interface Place {
  readonly at: number | undefined;
  readonly count: number;
}

function words32(view: DataView, { at, count }: Place): number[] {
  if (at === undefined || view.byteLength < at + count * 4) return [];
  return Array.from({ length: count }, (_, index) => view.getUint32(at + index * 4, true));
}

function words64(view: DataView, { at, count }: Place): bigint[] {
  if (at === undefined || view.byteLength < at + count * 8) return [];
  return Array.from({ length: count }, (_, index) => view.getBigUint64(at + index * 8, true));
}

/** The XSAVE area for this processor (`present` shows its size and form) with the registers of the image. */
export function encodeXstate(entry: UserX86FpregsEntry, present: Uint8Array, offsets: XstateOffsets): Uint8Array {
  const area = present.slice();
  const view = new DataView(area.buffer);
  area.fill(0, 0, 416); // not the software bytes from 464 on, which are the kernel's
  view.setUint16(0, entry.cwd, true);
  view.setUint16(2, entry.swd, true);
  view.setUint16(4, entry.twd, true);
  view.setUint16(6, entry.fop, true);
  view.setBigUint64(8, entry.rip, true);
  view.setBigUint64(16, entry.rdp, true);
  view.setUint32(24, entry.mxcsr, true);
  view.setUint32(28, entry.mxcsrMask, true);
  putWords(view, legacy.stSpace, entry.stSpace);
  putWords(view, legacy.xmmSpace, entry.xmmSpace);
  if (area.byteLength > LEGACY_BYTES) putExtended(view, entry.xsave, offsets);
  return area;
}

function putExtended(view: DataView, xsave: UserX86XsaveEntry | undefined, offsets: XstateOffsets): void {
  const available = [...offsets.keys()].reduce((set, feature) => set | (1n << BigInt(feature)), 3n);
  // Without an extended part the legacy registers (x87, SSE) are what was in use.
  view.setBigUint64(XSTATE_BV, (xsave?.xstateBv ?? 3n) & available, true);
  if (xsave === undefined) return;
  const { ymmhSpace, bndregState, bndcsrState, opmaskReg, zmmUpper, hi16Zmm, pkru } = xsave;
  const parts = { ymmhSpace, bndregState, bndcsrState, opmaskReg, zmmUpper, hi16Zmm, pkru };
  for (const [name, words] of Object.entries(parts)) {
    const { feature, width } = extended[name as keyof typeof parts];
    const at = offsets.get(feature);
    if (at !== undefined) putWords(view, { at, width }, words);
  }
}

function putWords(
  view: DataView,
  { at, width }: { at: number; width: number },
  words: readonly (number | bigint)[],
): void {
  words.forEach((word, index) => {
    const offset = at + index * width;
    if (offset + width > view.byteLength) return;
    if (width === 4) view.setUint32(offset, Number(word), true);
    else view.setBigUint64(offset, BigInt(word), true);
  });
}
