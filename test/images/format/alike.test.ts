import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, equals, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { AlikeMessages } from "../../../src/images/format/alike.js";
import {
  CoreEntrySchema,
  FsEntrySchema,
  MmEntrySchema,
  TaskCoreEntrySchema,
} from "../../../src/images/format/entries.js";
import { damaged, messageOf } from "../arbitrary.js";

const schemas: readonly DescMessage[] = [CoreEntrySchema, MmEntrySchema, FsEntrySchema];

/** What comes of it; undefined: it does not decode. */
function outcome(decode: () => Message): Message | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

for (const schema of schemas) {
  const encoded = messageOf(schema).map((message) => toBinary(schema, message));

  test(`a ${schema.name} decodes as ever, and is one object the second time`, () => {
    const alike = new AlikeMessages();
    fc.assert(
      fc.property(encoded, (bytes) => {
        const first = alike.decode(schema, bytes);
        assert.ok(equals(schema, first, fromBinary(schema, bytes)));
        assert.ok(equals(schema, alike.decode(schema, bytes.slice()), first));
      }),
    );
  });

  test(`a damaged ${schema.name} comes out as it does where nothing is remembered`, () => {
    const alike = new AlikeMessages();
    fc.assert(
      fc.property(encoded.chain(damaged), (bytes) => {
        const expected = outcome(() => new AlikeMessages().decode(schema, bytes));
        const found = outcome(() => alike.decode(schema, bytes));
        assert.equal(found === undefined, expected === undefined);
        if (found !== undefined && expected !== undefined) assert.ok(equals(schema, found, expected));
      }),
      { numRuns: 1000 },
    );
  });
}

const task = { taskState: 1, exitCode: 0, personality: 0, flags: 0, blkSigset: 0n };

test("equal parts of different messages are one object", () => {
  const alike = new AlikeMessages();
  const tc = create(TaskCoreEntrySchema, { ...task, comm: "worker" });
  const [one, other] = [1, 2].map((mtype) =>
    alike.decode(CoreEntrySchema, toBinary(CoreEntrySchema, create(CoreEntrySchema, { mtype, tc }))),
  );
  assert.notEqual(one?.mtype, other?.mtype);
  assert.equal(one?.tc?.comm, "worker");
  assert.equal(one?.tc, other?.tc);
});

test("a part that is there twice counts as one", () => {
  const parts = ["first", "second"].map((comm) =>
    toBinary(CoreEntrySchema, create(CoreEntrySchema, { mtype: 1, tc: { ...task, comm } })),
  );
  assert.equal(new AlikeMessages().decode(CoreEntrySchema, Buffer.concat(parts)).tc?.comm, "second");
});

test("what was not seen for long is decoded again", () => {
  const alike = new AlikeMessages();
  const read = (umask: number) =>
    alike.decode(
      FsEntrySchema,
      toBinary(FsEntrySchema, create(FsEntrySchema, { cwdId: 1 << 30, rootId: 1 << 30, umask: umask + (1 << 28) })),
    );
  const first = read(0);
  assert.equal(read(0), first);
  for (let umask = 1; umask < 100; umask++) read(umask);
  const again = read(0);
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
});
