// The XSAVE area: Intel SDM volume 1, chapter 13; arch/x86/include/asm/fpu/types.h

/** Where its header has XSTATE_BV, in bytes: which features are not in their initial state. Before it lies the FXSAVE area. */
export const XSTATE_BV = 512;
/** Numbers of features: configuration and data of the tiles of AMX. */
export const XFEATURE_XTILE_CFG = 17;
export const XFEATURE_XTILE_DATA = 18;

/** The features that are in use, as a mask; 0 where there is no more than the FXSAVE area. */
export function featuresInUse(area: Uint8Array): bigint {
  if (area.byteLength < XSTATE_BV + 8) return 0n;
  return new DataView(area.buffer, area.byteOffset).getBigUint64(XSTATE_BV, true);
}

export const hasFeature = (mask: bigint, feature: number): boolean => ((mask >> BigInt(feature)) & 1n) === 1n;
