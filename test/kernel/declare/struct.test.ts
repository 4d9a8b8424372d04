import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytes, i32, i64, struct, u8, u16, u32, u64 } from "../../../src/kernel/declare/struct.js";

const record = struct("record", 40, {
  small: [0, u8],
  short: [2, u16],
  word: [4, u32],
  signed: [8, i32],
  wide: [16, u64],
  signedWide: [24, i64],
  rest: [32, bytes(8)],
});

test("a struct is read little-endian, field by field", () => {
  const small = struct("pair", 12, { flags: [0, u32], value: [4, i64] });
  const from = new Uint8Array([1, 2, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  assert.deepEqual(small.decode(from), { flags: 0x201, value: -2n });
});

test("what was decoded encodes to the same bytes, padding aside", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 40, maxLength: 40 }), (from) => {
      const value = record.decode(from);
      const padded = record.encode(value);
      assert.deepEqual(record.decode(padded), value);
      const covered = new Set(
        record.fields.flatMap(({ offset, sizeBytes }) => [...Array(sizeBytes).keys()].map((at) => at + offset)),
      );
      const expected = from.map((byte, at) => (covered.has(at) ? byte : 0));
      assert.deepEqual(padded, expected);
    }),
  );
});

test("a struct inside a larger buffer is read where the view begins", () => {
  const whole = new Uint8Array(48);
  whole[8] = 7;
  assert.equal(record.decode(whole.subarray(8)).small, 7);
});

test("too few bytes are refused with both lengths", () => {
  assert.throws(() => record.decode(new Uint8Array(39)), /struct record needs 40 bytes, got 39/);
});

test("a negative number in an unsigned field is its two's complement", () => {
  const one = struct("one", 8, { value: [0, u64] });
  assert.equal(one.decode(one.encode({ value: -1n })).value, (1n << 64n) - 1n);
});

test("a table whose fields overlap or leave the struct cannot be loaded", () => {
  assert.throws(() => struct("bad", 8, { a: [0, u64], b: [4, u32] }), /struct bad: b at 4 overlaps/);
  assert.throws(() => struct("bad", 4, { a: [0, u64] }), /struct bad: a ends at 8, past 4/);
});

test("a run of bytes takes its own length only", () => {
  const value = { ...record.decode(new Uint8Array(40)), rest: new Uint8Array(7) };
  assert.throws(() => record.encode(value), /7 bytes for a field of 8/);
});
