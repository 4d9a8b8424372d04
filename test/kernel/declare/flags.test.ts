import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { flags, showFlags } from "../../../src/kernel/declare/flags.js";

const names = { O_WRONLY: 1, O_RDWR: 2, O_APPEND: 0o2000 } as const;

test("set bits show by name, unknown ones in hex", () => {
  assert.equal(showFlags(names, 2 | 0o2000 | 0x40), "O_RDWR|O_APPEND|0x40");
  assert.equal(showFlags(names, 0), "0x0");
  assert.equal(showFlags(names, -1 << 31), "0x80000000");
});

test("a flag set is its constants and an argument type at once", () => {
  const set = flags(names);
  assert.equal(set.O_APPEND, 0o2000);
  assert.equal(set.show(3), "O_WRONLY|O_RDWR");
});

test("no bit is lost in what is shown", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffffffff }), (value) => {
      const byName: Readonly<Record<string, number>> = names;
      const words = showFlags(names, value).split("|");
      const sum = words.reduce((bits, word) => (bits | (byName[word] ?? Number.parseInt(word, 16))) >>> 0, 0);
      assert.equal(sum, value);
    }),
  );
});
