// Our encoder and decoder against those of protobuf-es, which know nothing of what images must have.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { DecodeError, decodeMessage } from "../../../src/images/format/decode.js";
import { Encoder } from "../../../src/images/format/encode.js";
import {
  FdinfoEntrySchema,
  FdType,
  FileEntrySchema,
  FsEntrySchema,
  PstreeEntrySchema,
} from "../../../src/images/format/entries.js";
import { type RecordKind, recordKind, recordNames } from "../../../src/images/format/magic.js";
import { messageOf } from "../arbitrary.js";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const problem = (text: string) => (error: unknown) => error instanceof DecodeError && error.message === text;

for (const name of recordNames) {
  const { message: schema }: RecordKind = recordKind(name);
  test(`${schema.name} is encoded and decoded as by protobuf-es`, () => {
    const encoder = new Encoder();
    fc.assert(
      fc.property(messageOf(schema), (message) => {
        encoder.record(schema, message);
        const record = encoder.take();
        const wanted = toBinary(schema, message);
        assert.deepEqual(record.subarray(4), wanted);
        assert.equal(new DataView(record.buffer).getUint32(0, true), wanted.length);
        assert.ok(equals(schema, decodeMessage(schema, wanted), fromBinary(schema, wanted)));
      }),
      { numRuns: 20 },
    );
  });
}

test("a list of numbers is read whether it is packed or not", () => {
  const packed = hex("0801 1000 1801 2001 2a03 010203");
  const single = hex("0801 1000 1801 2001 2801 2802 2803");
  for (const bytes of [packed, single]) assert.deepEqual(decodeMessage(PstreeEntrySchema, bytes).threads, [1, 2, 3]);
});

test("of two parts of one message the later one counts", () => {
  const fown = { uid: 0, euid: 0, signum: 0, pidType: 0, pid: 0 };
  const part = (reg: { flags: number; extra?: number[] }) =>
    toBinary(
      FileEntrySchema,
      create(FileEntrySchema, {
        type: FdType.REG,
        id: 1,
        reg: { id: 1, flags: reg.flags, pos: 0n, name: "/a", fown, buildId: reg.extra ?? [] },
      }),
    );
  const bytes = Buffer.concat([part({ flags: 1, extra: [1] }), part({ flags: 2, extra: [2] })]);
  const { reg } = decodeMessage(FileEntrySchema, bytes);
  assert.deepEqual([reg?.flags, reg?.buildId], [2, [1, 2]]);
});

test("a number that an enum does not have counts as none", () => {
  assert.throws(
    () => decodeMessage(FdinfoEntrySchema, hex("0801 1000 18b960 2003")),
    problem("its FdinfoEntry has no type"),
  );
});

test("what is no message is refused with the reason", () => {
  const decode = (text: string) => () => decodeMessage(FsEntrySchema, hex(text));
  assert.throws(decode("08"), problem("its FsEntry does not decode (a number has no end)"));
  assert.throws(decode("0801 02"), problem("its FsEntry does not decode (a field has no number)"));
  assert.throws(decode("0d01000000"), problem("its FsEntry does not decode (cwd_id of a FsEntry has wire type 5)"));
  assert.throws(decode("0a01 01"), problem("its FsEntry does not decode (cwd_id of a FsEntry has wire type 2)"));
  assert.throws(decode("7a05 01"), problem("its FsEntry does not decode (5 bytes follow, 1 are there)"));
  assert.throws(decode("7901"), problem("its FsEntry does not decode (8 bytes follow, 1 are there)"));
  assert.throws(decode("7b"), problem("its FsEntry does not decode (a field has wire type 3)"));
  assert.throws(
    decode("08 ffffffffffffffffffffff01"),
    problem("its FsEntry does not decode (a number is more than ten bytes long)"),
  );
  assert.throws(decode("0801"), problem("its FsEntry has no root_id"));
});

test("a value that is none of its field's type is not written", () => {
  const encoder = new Encoder();
  const encode = (cwdId: number) => () => encoder.record(FsEntrySchema, create(FsEntrySchema, { cwdId, rootId: 1 }));
  assert.throws(encode(-1), /cwd_id.* to binary: -1 is no UINT32/);
  assert.throws(encode(1.5), /cwd_id.* to binary: 1\.5 is no UINT32/);
});
