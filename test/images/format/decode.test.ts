import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { decodePlain } from "../../../src/images/format/decode.js";
import { FdinfoEntrySchema, FileEntrySchema, VmaEntrySchema } from "../../../src/images/format/entries.js";
import { recordKind, recordNames } from "../../../src/images/format/magic.js";
import { checkMessage } from "../../../src/images/format/require.js";
import { messageOf } from "../arbitrary.js";

/** What the library makes of it, which throws where it or our check of what it leaves out finds something wrong. */
function decodedByLibrary(schema: DescMessage, bytes: Uint8Array) {
  const message = fromBinary(schema, bytes);
  checkMessage(schema, message, { file: "test" });
  return message;
}

for (const name of recordNames)
  test(`a record of ${name} is decoded as by the library, or left to it`, () => {
    const schema: DescMessage = recordKind(name).message;
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    fc.assert(
      fc.property(messageOf(schema, 2), fc.option(damage), (message, damaged) => {
        const bytes = toBinary(schema, message);
        if (damaged !== null && bytes.length > 0) bytes[damaged.at % bytes.length] = damaged.byte;
        const plain = decodePlain(schema, bytes);
        if (plain !== undefined) assert.ok(equals(schema, plain, decodedByLibrary(schema, bytes)));
      }),
      { numRuns: 200 },
    );
  });

const fown = { uid: 0, euid: 4_294_967_295, signum: 0, pidType: 0, pid: 0 };
const regular: MessageInitShape<typeof FileEntrySchema> = {
  ...{ type: 1, id: 7 },
  reg: {
    id: 7,
    flags: 0o100002,
    pos: 2n ** 40n,
    fown,
    name: "/var/lib/a file",
    mntId: -1,
    size: 2n ** 63n,
    buildId: [1, 2 ** 31],
  },
};

test("a regular file is not left to the library", () => {
  const bytes = toBinary(FileEntrySchema, create(FileEntrySchema, regular));
  const plain = decodePlain(FileEntrySchema, bytes);
  assert.deepEqual(plain, fromBinary(FileEntrySchema, bytes));
});

test("a mapping is not left to the library", () => {
  const vma = {
    start: 2n ** 47n,
    end: 2n ** 47n + 4096n,
    pgoff: 0n,
    shmid: 0n,
    prot: 3,
    flags: 34,
    status: 513,
    fd: -1n,
  };
  const bytes = toBinary(VmaEntrySchema, create(VmaEntrySchema, vma));
  assert.deepEqual(decodePlain(VmaEntrySchema, bytes), fromBinary(VmaEntrySchema, bytes));
});

const left: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[] = [
  ["a field that the schema has not", (bytes) => Buffer.concat([bytes, Buffer.of(0xb8, 0x3e, 1)])],
  ["a part that comes twice, which are one", (bytes) => Buffer.concat([bytes, bytes])],
  [
    "a name that is not ASCII",
    (bytes) => Buffer.from(Buffer.from(bytes).toString("latin1").replace("a file", "\xc3\xa4 fil"), "latin1"),
  ],
  ["an enum's value that nobody knows", (bytes) => Buffer.concat([bytes, Buffer.of(8, 99)])],
  ["an end in the middle", (bytes) => bytes.subarray(0, -1)],
  ["a required field that is missing", (bytes) => bytes.subarray(2)],
  ["a length beyond the end", (bytes) => Buffer.concat([bytes, Buffer.of(0x7a, 5)])],
];
for (const [what, change] of left)
  test(`${what} is left to the library`, () => {
    const bytes = toBinary(FileEntrySchema, create(FileEntrySchema, regular));
    assert.equal(decodePlain(FileEntrySchema, change(bytes)), undefined);
  });

test("a number in more bytes than it needs is the same number", () => {
  const entry = decodePlain(FdinfoEntrySchema, Buffer.of(8, 0x85, 0x80, 0, 16, 0, 24, 1, 32, 3));
  assert.deepEqual(entry, create(FdinfoEntrySchema, { id: 5, flags: 0, type: 1, fd: 3 }));
});
