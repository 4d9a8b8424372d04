import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readAddress, showAddress } from "../../../src/images/crit/address.js";
import { encodeImage } from "../../../src/images/crit/image.js";
import { type Json, readJson, writeJson } from "../../../src/images/crit/json.js";
import { fromBase64, fromQuotedPrintable, toBase64, toQuotedPrintable } from "../../../src/images/crit/text.js";
import { StasisError } from "../../../src/report/error.js";

const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
    fc.string({ unit: "binary" }),
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("json"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("whatever is written is read again, numbers of 64 bits too", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 4), (value, indent) => {
      assert.deepEqual(readJson(writeJson(value, indent)), value);
    }),
  );
});

test("it looks as Python writes it", () => {
  const value = { a: [1, 2n ** 63n], b: [], c: {}, d: 'ä"\n\u{1f600}' };
  assert.equal(
    writeJson(value),
    '{"a": [1, 9223372036854775808], "b": [], "c": {}, "d": "\\u00e4\\"\\n\\ud83d\\ude00"}',
  );
  assert.equal(writeJson({ a: [1, { b: true }] }, 2), '{\n  "a": [\n    1,\n    {\n      "b": true\n    }\n  ]\n}');
});

test("any text is read or refused, and never makes an image that nobody wrote", () => {
  const text = fc.oneof(
    fc.string(),
    json.map((value) => writeJson(value)),
    fc.string({ unit: fc.constantFrom(...'{}[],:"x1 ') }),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        encodeImage(readJson(any));
      } catch (error) {
        assert.ok(error instanceof StasisError && error.code === "IMAGE_INVALID", String(error));
      }
    }),
  );
  assert.throws(() => readJson("[".repeat(1000)), /it is nested too deeply/);
  assert.throws(() => readJson('{"a" 1}'), { message: 'Cannot read the JSON: at character 4: ":" has to be there' });
});

test("bytes come back from base64 and quoted-printable", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
      const text = toQuotedPrintable(bytes);
      assert.deepEqual(fromQuotedPrintable(text), bytes);
    }),
  );
  assert.equal(toQuotedPrintable(Buffer.from("\0a b=ä ")), "=00a b=3D=C3=A4=20");
});

test("addresses are compressed as RFC 5952 has it, and come back", () => {
  assert.equal(showAddress([0x0100007f]), "127.0.0.1");
  assert.equal(showAddress([0, 0, 0, 0x01000000]), "::1");
  assert.equal(showAddress([0xb80d0120, 0, 0, 0x01000000]), "2001:db8::1");
  assert.equal(showAddress([0xb80d0120, 0x0100, 0x01000100, 0x01000100]), "2001:db8:1:0:1:1:1:1");
  const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffffffff }));
  const words = fc.oneof(
    fc.array(word, { minLength: 1, maxLength: 1 }),
    fc.array(word, { minLength: 4, maxLength: 4 }),
  );
  fc.assert(fc.property(words, (any) => assert.deepEqual(readAddress(showAddress(any)), any)));
  assert.equal(readAddress("1.2.3"), undefined);
  assert.equal(readAddress("::1::2"), undefined);
});
