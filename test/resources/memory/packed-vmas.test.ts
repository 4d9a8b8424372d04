import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VmaStatus } from "../../../src/images/format/numbers.js";
import { PackedVmas, type SavedVma } from "../../../src/resources/memory/packed-vmas.js";

const bits32 = fc.integer({ min: 0, max: 0xffffffff });
const bits64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
const shape = { start: bits64, end: bits64, flags: bits32, status: bits32, madv: bits64 };
const vma = fc.record(shape, { noNullPrototype: true });

test("what is kept of mappings is what was there, bit for bit, but for guard regions", () => {
  const others = (vmas: readonly SavedVma[]) => vmas.filter(({ status }) => (status & VmaStatus.AREA_GUARD) === 0);
  fc.assert(fc.property(fc.array(vma), (vmas) => assert.deepEqual([...new PackedVmas(vmas)], others(vmas))));
});
