import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, equals, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { AlikeMessages } from "../../../src/images/format/alike.js";
import { DecodeError, decodeMessage } from "../../../src/images/format/decode.js";
import {
  CoreEntrySchema,
  FsEntrySchema,
  MmEntrySchema,
  TaskCoreEntrySchema,
} from "../../../src/images/format/entries.js";
import { damaged, messageOf } from "../arbitrary.js";

const schemas: readonly DescMessage[] = [CoreEntrySchema, MmEntrySchema, FsEntrySchema];

/** What comes of it: a message, or why it is refused. */
function outcome(decode: () => Message): Message | string {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}

for (const schema of schemas) {
  const encoded = messageOf(schema).map((message) => toBinary(schema, message));

  test(`a ${schema.name} decodes as ever, again and again`, () => {
    const alike = new AlikeMessages();
    fc.assert(
      fc.property(encoded, (bytes) => {
        const expected = decodeMessage(schema, bytes);
        for (let time = 0; time < 2; time++) assert.ok(equals(schema, decodeMessage(schema, bytes, alike), expected));
      }),
    );
  });

  test(`a damaged ${schema.name} is taken or refused as ever`, () => {
    const alike = new AlikeMessages();
    fc.assert(
      fc.property(encoded.chain(damaged), (bytes) => {
        const expected = outcome(() => decodeMessage(schema, bytes));
        const found = outcome(() => decodeMessage(schema, bytes, alike));
        if (typeof expected === "string" || typeof found === "string") assert.equal(found, expected);
        else assert.ok(equals(schema, found, expected));
      }),
      { numRuns: 1000 },
    );
  });
}

test("equal parts of different records are one object", () => {
  const alike = new AlikeMessages();
  const tc = create(TaskCoreEntrySchema, {
    taskState: 1,
    exitCode: 0,
    personality: 0,
    flags: 0,
    blkSigset: 0n,
    comm: "worker",
  });
  const [one, other] = [1, 2].map((mtype) =>
    decodeMessage(CoreEntrySchema, toBinary(CoreEntrySchema, create(CoreEntrySchema, { mtype, tc })), alike),
  );
  assert.notEqual(one?.mtype, other?.mtype);
  assert.equal(one?.tc?.comm, "worker");
  assert.equal(one?.tc, other?.tc);
});

test("a part that is there twice counts as one", () => {
  const parts = [{ comm: "first" }, { comm: "second" }].map((more) =>
    toBinary(
      CoreEntrySchema,
      create(CoreEntrySchema, {
        mtype: 1,
        tc: { taskState: 1, exitCode: 0, personality: 0, flags: 0, blkSigset: 0n, ...more },
      }),
    ),
  );
  const { tc } = decodeMessage(CoreEntrySchema, Buffer.concat(parts), new AlikeMessages());
  assert.equal(tc?.comm, "second");
});
