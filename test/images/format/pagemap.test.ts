import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { PagemapEntrySchema, PagemapHeadSchema } from "../../../src/images/format/entries.js";
import { imageKinds } from "../../../src/images/format/magic.js";
import { entryOf, Pagemap, PagemapFlag, runOf } from "../../../src/images/format/pagemap.js";
import { Bytes, encodeHead, encodeRecord, RecordReader } from "../../../src/images/format/record.js";
import { says } from "../scratch.js";

const { PARENT, LAZY, PRESENT } = PagemapFlag;
const place = { file: "pagemap-1.img" };
const run = (init: MessageInitShape<typeof PagemapEntrySchema>) => runOf(create(PagemapEntrySchema, init), place);

function pagemap(...entries: MessageInitShape<typeof PagemapEntrySchema>[]): Pagemap {
  const image = Buffer.concat([
    encodeHead(imageKinds.pagemap),
    encodeRecord(PagemapHeadSchema, create(PagemapHeadSchema, { pagesId: 5 })),
    ...entries.map((entry) => encodeRecord(PagemapEntrySchema, create(PagemapEntrySchema, entry))),
  ]);
  return Pagemap.read(new RecordReader(imageKinds.pagemap, place.file, new Bytes(image)));
}

test("entries of all ages mean the same", () => {
  const today = { vaddr: 0x1000n, compatNrPages: 0, flags: PRESENT, nrPages: 3n };
  const before42 = { vaddr: 0x1000n, compatNrPages: 3, flags: PRESENT };
  const before35 = { vaddr: 0x1000n, compatNrPages: 3 };
  const expected = { vaddr: 0x1000n, pageCount: 3, flags: PRESENT };
  for (const entry of [today, before42, before35, { ...before35, inParent: false }])
    assert.deepEqual(run(entry), expected);
  assert.equal(run({ ...before35, inParent: true }).flags, PARENT);
});

test("an entry is written so that older ones of CRIU read it too", () => {
  const entry = entryOf({ vaddr: 0x1000n, pageCount: 3, flags: PRESENT | LAZY });
  assert.deepEqual([entry.compatNrPages, entry.nrPages, entry.flags], [3, 3n, 6]);
  assert.equal(entryOf({ vaddr: 0n, pageCount: 2 ** 32, flags: LAZY }).compatNrPages, 0);
});

test("an entry that cannot be is refused", () => {
  const good = { vaddr: 0x1000n, compatNrPages: 0, flags: PRESENT, nrPages: 3n };
  const refused = (init: MessageInitShape<typeof PagemapEntrySchema>, reason: string) =>
    assert.throws(() => run({ ...good, ...init }), says(`Cannot read the image pagemap-1.img: ${reason}`));
  refused({ vaddr: 0x1001n }, "its address 0x1001 is not that of a page");
  refused({ nrPages: 0n }, "it has no pages at 0x1000");
  refused({ nrPages: 2n ** 64n - 1n }, "18446744073709551615 pages from 0x1000 on cannot be");
  refused({ flags: 12 }, "its flags are 0xc, current flags are up to 0x7");
  refused({ flags: 0 }, "its flags are 0x0: the pages are nowhere");
  refused({ flags: 5 }, "its flags are 0x5: the pages are here and in the parent");
});

test("a pagemap knows where content is", () => {
  const map = pagemap(
    { vaddr: 0x10000n, compatNrPages: 2, flags: PRESENT },
    { vaddr: 0x12000n, compatNrPages: 1, flags: LAZY },
    { vaddr: 0x20000n, compatNrPages: 4, flags: PRESENT | LAZY },
  );
  assert.deepEqual([map.pagesId, map.length, map.storedBytes, map.hasParentPages], [5, 3, 6 * 4096, false]);
  assert.deepEqual(
    [0, 0x11, 0x12, 0x13, 0x23, 0x24].map((page) => map.runFrom(page)),
    [0, 0, 1, 2, 2, 3],
  );
  assert.equal(map.offsetOf(2, 0x21), 3 * 4096);
});

test("runs that overlap or go back are refused", () => {
  assert.throws(
    () => pagemap({ vaddr: 0x2000n, compatNrPages: 2 }, { vaddr: 0x3000n, compatNrPages: 1 }),
    says("Cannot read the image pagemap-1.img, record 2: the pages at 0x3000 come after higher ones"),
  );
});

test("any run comes back from its entry", () => {
  const runs = fc.record({
    vaddr: fc.bigInt({ min: 0n, max: 2n ** 35n }).map((page) => page * 4096n),
    pageCount: fc.integer({ min: 1, max: 2 ** 40 }),
    flags: fc.constantFrom(PARENT, PRESENT, LAZY, PRESENT | LAZY),
  });
  fc.assert(fc.property(runs, (one) => assert.deepEqual(runOf(entryOf(one), place), { ...one })));
});
