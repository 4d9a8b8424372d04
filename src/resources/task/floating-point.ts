// FPU, SSE, AVX, AVX-512 and protection-key registers: the XSAVE area in its standard form, Intel SDM volume 1, chapter 13.
import { create } from "@bufbuild/protobuf";
import {
  type CoreEntry,
  type UserX86FpregsEntry,
  UserX86FpregsEntrySchema,
  type UserX86XsaveEntry,
  UserX86XsaveEntrySchema,
} from "../../images/format/entries.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { TaskPart } from "../kind.js";

/** Words of the components that the image has fields for, by their offset in the standard form and their width in bytes. */
const components = {
  stSpace: { at: 32, count: 32, width: 4 },
  xmmSpace: { at: 160, count: 64, width: 4 },
  padding: { at: 416, count: 24, width: 4 },
  ymmhSpace: { at: 576, count: 64, width: 4 },
  bndregState: { at: 960, count: 8, width: 8 },
  bndcsrState: { at: 1024, count: 8, width: 8 },
  opmaskReg: { at: 1088, count: 8, width: 8 },
  zmmUpper: { at: 1152, count: 64, width: 8 },
  hi16Zmm: { at: 1664, count: 128, width: 8 },
  pkru: { at: 2688, count: 2, width: 4 },
} as const;
const XSTATE_BV = 512;
const LEGACY_BYTES = 512;
/** The features that the fields above can carry: x87, SSE, AVX, MPX (two), AVX-512 (three), PKRU. */
const CARRIED = 0x2ffn;

export const floatingPoint: TaskPart = {
  name: "floating-point registers",
  of: "thread",
  stage: "last",

  collect({ tracee }, core) {
    if (core.threadInfo !== undefined) core.threadInfo.fpregs = decodeXstate(tracee.xstate());
  },

  apply({ tracee, core }) {
    setFloatingPoint(tracee, core);
  },
};

/** Gives a stopped thread the FPU state of the image; features that its processor lacks are those that were never used. */
export function setFloatingPoint(tracee: Tracee, core: CoreEntry): void {
  const saved = core.threadInfo?.fpregs;
  if (saved !== undefined) tracee.setXstate(encodeXstate(saved, tracee.xstate()));
}

export function decodeXstate(area: Uint8Array): UserX86FpregsEntry {
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  const words32 = (name: "stSpace" | "xmmSpace" | "padding" | "ymmhSpace" | "pkru") => {
    const { at, count } = components[name];
    return area.byteLength < at + count * 4
      ? []
      : Array.from({ length: count }, (_, index) => view.getUint32(at + index * 4, true));
  };
  const words64 = (name: "bndregState" | "bndcsrState" | "opmaskReg" | "zmmUpper" | "hi16Zmm") => {
    const { at, count } = components[name];
    return area.byteLength < at + count * 8
      ? []
      : Array.from({ length: count }, (_, index) => view.getBigUint64(at + index * 8, true));
  };
  const entry = create(UserX86FpregsEntrySchema, {
    cwd: view.getUint16(0, true),
    swd: view.getUint16(2, true),
    twd: view.getUint16(4, true),
    fop: view.getUint16(6, true),
    rip: view.getBigUint64(8, true),
    rdp: view.getBigUint64(16, true),
    mxcsr: view.getUint32(24, true),
    mxcsrMask: view.getUint32(28, true),
    stSpace: words32("stSpace"),
    xmmSpace: words32("xmmSpace"),
    padding: words32("padding"),
  });
  if (area.byteLength <= LEGACY_BYTES) return entry;
  entry.xsave = create(UserX86XsaveEntrySchema, {
    xstateBv: view.getBigUint64(XSTATE_BV, true) & CARRIED,
    ymmhSpace: words32("ymmhSpace"),
    bndregState: words64("bndregState"),
    bndcsrState: words64("bndcsrState"),
    opmaskReg: words64("opmaskReg"),
    zmmUpper: words64("zmmUpper"),
    hi16Zmm: words64("hi16Zmm"),
    pkru: words32("pkru"),
  });
  return entry;
}

/** The XSAVE area for this processor (`present` shows its size and form) with the registers of the image. */
export function encodeXstate(entry: UserX86FpregsEntry, present: Uint8Array): Uint8Array {
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
  putWords(view, components.stSpace, entry.stSpace);
  putWords(view, components.xmmSpace, entry.xmmSpace);
  if (area.byteLength > LEGACY_BYTES) putExtended(view, entry.xsave);
  return area;
}

function putExtended(view: DataView, xsave: UserX86XsaveEntry | undefined): void {
  // Without an extended part the legacy registers (x87, SSE) are what was in use.
  view.setBigUint64(XSTATE_BV, xsave?.xstateBv ?? 3n, true);
  if (xsave === undefined) return;
  const { ymmhSpace, bndregState, bndcsrState, opmaskReg, zmmUpper, hi16Zmm, pkru } = xsave;
  const parts = { ymmhSpace, bndregState, bndcsrState, opmaskReg, zmmUpper, hi16Zmm, pkru };
  for (const [name, words] of Object.entries(parts)) putWords(view, components[name as keyof typeof parts], words);
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
