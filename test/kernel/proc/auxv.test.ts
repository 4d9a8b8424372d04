import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asPid } from "../../../src/kernel/brand.js";
import { AT_ENTRY, AT_NULL, parseAuxv, readAuxv } from "../../../src/kernel/proc/auxv.js";
import { readMaps } from "../../../src/kernel/proc/maps.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";

test("our own entry point lies in executable memory, and the vector ends with AT_NULL", () => {
  const self = asPid(process.pid);
  const auxv = readAuxv(self);
  const entry = auxv.find(([type]) => type === AT_ENTRY)?.[1] ?? 0n;
  assert.ok(readMaps(self).some(({ start, end, executable }) => executable && start <= entry && entry < end));
  assert.equal(auxv.at(-1)?.[0], AT_NULL);
});

test("half a pair is refused", () => {
  assert.throws(() => parseAuxv(new Uint8Array(24)), ProcFormatError);
});

test("pairs of any values are read as they are", () => {
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word)), (pairs) => {
      const words = BigUint64Array.from(pairs.flat());
      assert.deepEqual(parseAuxv(new Uint8Array(words.buffer)), pairs);
    }),
  );
});
