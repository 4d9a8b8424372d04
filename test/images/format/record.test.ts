import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals } from "@bufbuild/protobuf";
import fc from "fast-check";
import { recordsOf } from "../../../src/images/format/content.js";
import {
  FsEntrySchema,
  InventoryEntrySchema,
  IpcMsgSchema,
  PstreeEntrySchema,
  SeccompEntrySchema,
} from "../../../src/images/format/entries.js";
import { imageKinds, type RecordKind, recordKind, recordNames } from "../../../src/images/format/magic.js";
import { Bytes, encodeHead, encodeRecord, RecordReader } from "../../../src/images/format/record.js";
import { StasisError } from "../../../src/report/error.js";
import { damaged, messageOf } from "../arbitrary.js";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const message = (text: string) => (error: unknown) => error instanceof StasisError && error.message === text;

test("an image starts with the words that CRIU writes", () => {
  assert.deepEqual(encodeHead(imageKinds.pstree), hex("19435654 30302750"));
  assert.deepEqual(encodeHead(imageKinds.inventory), hex("16313158"));
  assert.deepEqual(encodeHead(imageKinds["stats-dump"]), hex("40591055 06330957"));
});

test("a seccomp image without filters is twelve bytes", () => {
  const image = Buffer.concat([
    encodeHead(imageKinds.seccomp),
    encodeRecord(SeccompEntrySchema, create(SeccompEntrySchema)),
  ]);
  assert.equal(image.length, 12);
});

test("a process tree that CRIU wrote is read", () => {
  const bytes = hex("19435654 30302750 0b000000 08e707 1000 18e707 20e707 0d000000 08e807 10e707 18e707 20e707 28e807");
  bytes[8] = 11;
  bytes[23] = 15;
  const reader = new RecordReader(imageKinds.pstree, "pstree.img", new Bytes(bytes));
  const [root, child] = [...reader];
  assert.deepEqual([root?.pid, root?.ppid, root?.pgid, root?.sid, root?.threads], [999, 0, 999, 999, []]);
  assert.deepEqual([child?.pid, child?.ppid, child?.threads], [1000, 999, [1000]]);
});

test("the inventory that CRIU 4.2 writes is read", () => {
  const bytes = hex("16313158 10000000 0802 1001 1a08 08011001 18012001 2001");
  const [inventory] = [...new RecordReader(imageKinds.inventory, "inventory.img", new Bytes(bytes))];
  assert.equal(inventory?.imgVersion, 2);
  assert.equal(inventory?.rootIds?.vmId, 1);
  assert.equal(inventory?.nsPerId, true);
});

test("an image of another kind is refused by its first words", () => {
  const bytes = encodeHead(imageKinds.mm);
  assert.throws(
    () => new RecordReader(imageKinds.core, "core-1.img", new Bytes(bytes)),
    message("Cannot read the image core-1.img: it starts with 0x57492820, current format starts with 0x55053847"),
  );
  assert.throws(
    () => new RecordReader(imageKinds.core, "core-1.img", new Bytes(bytes.subarray(0, 6))),
    message("Cannot read the image core-1.img: it ends before its first record"),
  );
});

test("a length is checked against what is there", () => {
  const head = encodeHead(imageKinds.fs);
  const read = (tail: string) => [
    ...new RecordReader(imageKinds.fs, "fs-1.img", new Bytes(Buffer.concat([head, hex(tail)]))),
  ];
  const at = "Cannot read the image fs-1.img, record 0:";
  assert.throws(() => read("ffffffff 00"), message(`${at} it is 4294967295 bytes long, 1 are left`));
  assert.throws(() => read("0400"), message(`${at} 2 bytes of its length are there`));
  assert.throws(() => read("02000000 08"), message(`${at} it is 2 bytes long, 1 are left`));
});

test("a required field that is missing is an error", () => {
  const head = encodeHead(imageKinds.fs);
  const read = (tail: string) => [
    ...new RecordReader(imageKinds.fs, "fs-1.img", new Bytes(Buffer.concat([head, hex(tail)]))),
  ];
  assert.throws(
    () => read("02000000 0801"),
    message("Cannot read the image fs-1.img, record 0: its FsEntry has no root_id"),
  );
  assert.equal(read("04000000 08011002")[0]?.rootId, 2);
});

test("a required field that was forgotten is found when the record is written", () => {
  assert.throws(() => encodeRecord(FsEntrySchema, create(FsEntrySchema, { cwdId: 1 })), /required field not set/);
});

test("a name that is no UTF-8 is refused, since it could not be given back", () => {
  const bytes = hex("19435654 03324754 06000000 0a01ff 120161");
  assert.throws(
    () => [...new RecordReader(imageKinds.utsns, "utsns-1.img", new Bytes(bytes))],
    message('Cannot read the image utsns-1.img, record 0: the nodename of its UtsnsEntry is not UTF-8: "\ufffd"'),
  );
});

test("bytes behind a record are read with their padding", () => {
  const record = encodeRecord(IpcMsgSchema, create(IpcMsgSchema, { mtype: 1n, msize: 3 }));
  const image = Buffer.concat([
    encodeHead(imageKinds["ipcns-msg"]),
    record,
    hex("616263 0000000000"),
    record,
    hex("646566"),
  ]);
  const reader = new RecordReader(imageKinds["ipcns-msg"], "ipcns-msg-1.img", new Bytes(image));
  for (const text of ["abc", "def"]) {
    assert.equal(reader.expect(IpcMsgSchema).msize, 3);
    assert.equal(Buffer.from(reader.blob(3, 8)).toString(), text);
  }
  assert.equal(reader.remaining, 0);
  assert.throws(
    () => reader.blob(2n ** 63n),
    message(
      "Cannot read the image ipcns-msg-1.img, record 1: 9223372036854775808 bytes belong to the record, 0 are left",
    ),
  );
  assert.throws(
    () => reader.expect(IpcMsgSchema),
    message("Cannot read the image ipcns-msg-1.img, record 1: the image ends after it, and a IpcMsg has to follow"),
  );
});

test("unknown fields of a later CRIU survive", () => {
  const bytes = hex("19435654 30302750 0d000000 0801 1000 1801 2001 c03e 01 2801");
  bytes[8] = bytes.length - 12;
  const [entry] = [...new RecordReader(imageKinds.pstree, "pstree.img", new Bytes(bytes))];
  assert.ok(entry);
  assert.equal(encodeRecord(PstreeEntrySchema, entry).length, bytes.length - 8);
});

for (const name of recordNames) {
  const kind: RecordKind = recordKind(name);
  test(`any record of ${name} comes back as it was`, () => {
    fc.assert(
      fc.property(fc.array(messageOf(kind.message), { maxLength: 3 }), (entries) => {
        const image = Buffer.concat([encodeHead(kind), ...entries.map((entry) => encodeRecord(kind.message, entry))]);
        const back = [...new RecordReader(kind, "x.img", new Bytes(image))];
        assert.equal(back.length, entries.length);
        for (const [index, entry] of entries.entries())
          assert.ok(equals(kind.message, entry, back[index] ?? create(kind.message)));
      }),
      { numRuns: 20 },
    );
  });

  test(`a damaged image of ${name} is read or refused, and nothing else happens`, () => {
    const image = messageOf(kind.message).map((entry) =>
      Buffer.concat([encodeHead(kind), encodeRecord(kind.message, entry), encodeRecord(kind.message, entry)]),
    );
    fc.assert(
      fc.property(image.chain(damaged), (bytes) => {
        try {
          for (const _ of recordsOf(name, "x.img", new Bytes(bytes)));
        } catch (error) {
          assert.ok(error instanceof StasisError, String(error));
          assert.match(error.code, /^IMAGE_/);
        }
      }),
      { numRuns: 60 },
    );
  });
}

test("what the inventory says of itself is encoded as CRIU encodes it", () => {
  const inventory = create(InventoryEntrySchema, {
    imgVersion: 2,
    fdinfoPerId: true,
    nsPerId: true,
    rootCgSet: 1,
    lsmtype: 0,
  });
  assert.deepEqual(encodeRecord(InventoryEntrySchema, inventory), hex("0a000000 0802 1001 2001 2801 3000"));
});
