import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeXstate, encodeXstate, type XstateOffsets } from "../../../src/resources/task/floating-point.js";

/** Of a processor with MPX, and of one that never had it: the AVX-512 components lie where MPX would. */
const intel: XstateOffsets = new Map([
  [2, 576],
  [3, 960],
  [4, 1024],
  [5, 1088],
  [6, 1152],
  [7, 1664],
  [9, 2688],
]);
const amd: XstateOffsets = new Map([
  [2, 576],
  [5, 832],
  [6, 896],
  [7, 1408],
  [9, 2432],
]);
const AREA_BYTES = 2696;
const AVX512 = [
  { feature: 5, bytes: 64 },
  { feature: 6, bytes: 512 },
  { feature: 7, bytes: 1024 },
];

test("the registers of one processor find their places on another", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: AREA_BYTES, maxLength: AREA_BYTES }), (area) => {
      new DataView(area.buffer).setBigUint64(512, 0xe7n, true);
      const there = encodeXstate(decodeXstate(area, amd), new Uint8Array(AREA_BYTES), intel);
      for (const { feature, bytes } of AVX512) {
        const [from, to] = [amd.get(feature) ?? 0, intel.get(feature) ?? 0];
        assert.deepEqual(there.subarray(to, to + bytes), area.subarray(from, from + bytes));
      }
      const back = encodeXstate(decodeXstate(there, intel), new Uint8Array(AREA_BYTES), amd);
      assert.deepEqual(decodeXstate(back, amd).xsave, decodeXstate(area, amd).xsave);
    }),
    { numRuns: 20 },
  );
});
