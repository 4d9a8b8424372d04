import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { FdinfoEntrySchema, FileEntrySchema } from "../../../src/images/format/entries.js";
import { recordKind, recordNames } from "../../../src/images/format/magic.js";
import { encodeRecord } from "../../../src/images/format/record.js";
import { encodeRecords } from "../../../src/images/format/records.js";
import { messageOf } from "../arbitrary.js";

const oneByOne = (schema: DescMessage, messages: readonly Message[]) =>
  Buffer.concat(messages.map((message) => encodeRecord(schema, message)));

for (const name of recordNames)
  test(`many records of ${name} are the same bytes as one after the other`, () => {
    const schema: DescMessage = recordKind(name).message;
    fc.assert(
      fc.property(fc.array(messageOf(schema, 2), { maxLength: 40 }), (messages) => {
        assert.deepEqual(Buffer.from(encodeRecords(schema, messages)), oneByOne(schema, messages));
      }),
      { numRuns: 20 },
    );
  });

test("records longer than two bytes of length, and empty ones, are framed as any other", () => {
  const long = create(FileEntrySchema, { type: 1, id: 1, nsf: { id: 1, nsId: 1, nsCflag: 1, flags: 1 } });
  long.$unknown = [{ no: 1000, wireType: 2, data: Buffer.from(`\xa0\x8d\x06${"x".repeat(100_000)}`, "latin1") }];
  const messages = Array.from({ length: 20 }, () => long);
  assert.deepEqual(Buffer.from(encodeRecords(FileEntrySchema, messages)), oneByOne(FileEntrySchema, messages));
});

test("a required field that was not set is named, among many records too", () => {
  const messages = Array.from({ length: 20 }, (_, fd) => create(FdinfoEntrySchema, { id: 1, flags: 0, type: 1, fd }));
  delete (messages[17] as { fd?: number }).fd;
  assert.throws(() => encodeRecords(FdinfoEntrySchema, messages), /fd.*required field not set/);
});
