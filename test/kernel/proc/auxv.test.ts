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
  const type = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(fc.array(fc.tuple(type, word)), (pairs) => {
      const words = BigUint64Array.from(pairs.flat());
      assert.deepEqual(parseAuxv(new Uint8Array(words.buffer)), pairs);
    }),
  );
});

test("so are those of a 32-bit process", () => {
  const word = fc.integer({ min: 1, max: 0xffffffff });
  const pairs = fc.array(fc.tuple(word, word), { minLength: 2 }).filter(({ length }) => length % 2 === 0);
  fc.assert(
    fc.property(pairs, (wanted) => {
      const found = parseAuxv(new Uint8Array(Uint32Array.from(wanted.flat()).buffer));
      assert.deepEqual(
        found,
        wanted.map((pair) => pair.map(BigInt)),
      );
    }),
  );
});
