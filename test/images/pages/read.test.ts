import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ImageDirectory } from "../../../src/images/directory.js";
import { PagemapEntrySchema, PagemapHeadSchema } from "../../../src/images/format/entries.js";
import { PagemapFlag } from "../../../src/images/format/pagemap.js";
import { StasisError } from "../../../src/report/error.js";
import { damaged } from "../arbitrary.js";
import { says, scratchDirectory } from "../scratch.js";

const { PARENT, LAZY, PRESENT } = PagemapFlag;
const PAGE = 4096n;

type Run = readonly [page: number, pageCount: number, flags: number];

/** Writes images `generation` that build on the one before; PRESENT pages are filled with the generation's number. */
function writeImages(scratch: string, generation: number, runs: readonly Run[]): ImageDirectory {
  const path = join(scratch, String(generation));
  mkdirSync(path);
  const images = ImageDirectory.create(path);
  if (generation > 1) images.linkParent(`../${generation - 1}`);
  using writer = images.writer("pagemap", 7);
  writer.appendAs(PagemapHeadSchema, create(PagemapHeadSchema, { pagesId: 1 }));
  let stored = 0;
  for (const [page, compatNrPages, flags] of runs) {
    writer.append(create(PagemapEntrySchema, { vaddr: BigInt(page) * PAGE, compatNrPages, flags }));
    if (flags & PRESENT) stored += compatNrPages;
  }
  writer.close();
  writeFileSync(join(path, "pages-1.img"), Buffer.alloc(stored * 4096, generation));
  return images;
}

/** First byte of each page that has content. */
function contentOf(images: ImageDirectory): Map<number, number | "lazy"> {
  using pages = images.pagesReader("pagemap", 7);
  const content = new Map<number, number | "lazy">();
  for (const range of pages.ranges()) {
    for (let index = 0; index < range.pageCount; index++) {
      const page = Number(range.vaddr / PAGE) + index;
      if (range.source === "lazy") {
        content.set(page, "lazy");
        continue;
      }
      const byte = Buffer.alloc(1);
      assert.equal(readSync(range.fd, byte, 0, 1, range.fileOffset + index * 4096), 1);
      content.set(page, byte.readUInt8());
    }
  }
  return content;
}

test("pages are found in the dump that has them, however many there are between", () => {
  using scratch = scratchDirectory();
  writeImages(scratch.path, 1, [
    [1, 2, PRESENT],
    [3, 2, LAZY],
    [5, 3, PRESENT],
  ]);
  writeImages(scratch.path, 2, [
    [1, 1, PARENT],
    [2, 1, PRESENT],
    [3, 4, PARENT],
    [7, 1, PRESENT],
  ]);
  const images = writeImages(scratch.path, 3, [
    [1, 7, PARENT],
    [9, 1, PRESENT],
  ]);
  const expected = [
    [1, 1],
    [2, 2],
    [3, "lazy"],
    [4, "lazy"],
    [5, 1],
    [6, 1],
    [7, 2],
    [9, 3],
  ];
  assert.deepEqual([...contentOf(images)], expected);
});

test("a pages file that is too short is found before anything is restored", () => {
  using scratch = scratchDirectory();
  const images = writeImages(scratch.path, 1, [[1, 2, PRESENT]]);
  const file = join(scratch.path, "1/pages-1.img");
  truncateSync(file, 8191);
  assert.throws(
    () => contentOf(images),
    says("Cannot read the image pages-1.img: it is 8191 bytes long, pagemap-7.img needs 8192"),
  );
  rmSync(file);
  assert.throws(
    () => contentOf(images),
    says("Cannot read the image pages-1.img: the file is not there, and pagemap-7.img has 8192 bytes in it"),
  );
});

test("a page that the parent does not have is an error", () => {
  using scratch = scratchDirectory();
  writeImages(scratch.path, 1, [
    [1, 1, PRESENT],
    [3, 1, PRESENT],
  ]);
  const images = writeImages(scratch.path, 2, [[1, 3, PARENT]]);
  const text =
    "Cannot read the image pagemap-7.img: the parent images lack the page at 0x2000, to which later ones refer";
  assert.throws(() => contentOf(images), says(text));
});

test("parents that are not there or go round are an error", () => {
  using scratch = scratchDirectory();
  const images = writeImages(scratch.path, 1, [[1, 1, PARENT]]);
  const none = "Cannot read the image pagemap-7.img: it refers to parent images, and there is no link named parent";
  assert.throws(() => contentOf(images), says(none));
  images.linkParent("../2");
  writeImages(scratch.path, 2, [[1, 1, PARENT]]);
  const circle = "Cannot read the image pagemap-7.img: its parent images lead back to images that build on them";
  assert.throws(() => contentOf(images), says(circle));
});

test("a dump that is not restored from needs no parent", () => {
  using scratch = scratchDirectory();
  const images = writeImages(scratch.path, 1, [[1, 1, PRESENT]]);
  images.linkParent("../gone");
  assert.deepEqual([...contentOf(images)], [[1, 1]]);
});

test("what covers() says is what ranges() finds", () => {
  using scratch = scratchDirectory();
  const images = writeImages(scratch.path, 1, [
    [1, 2, PRESENT],
    [3, 1, LAZY],
    [5, 1, PRESENT],
  ]);
  using pages = images.pagesReader("pagemap", 7);
  const content = contentOf(images);
  for (let first = 0; first < 8; first++) {
    for (let count = 1; count < 6; count++) {
      const all = Array.from({ length: count }, (_, index) => content.has(first + index)).every(Boolean);
      assert.equal(pages.covers(BigInt(first) * PAGE, count), all, `${count} pages from ${first}`);
    }
  }
});

test("a damaged pagemap is read or refused, and nothing else happens", () => {
  using scratch = scratchDirectory();
  writeImages(scratch.path, 1, [[1, 20, PRESENT]]);
  const images = writeImages(scratch.path, 2, [
    [1, 7, PARENT],
    [9, 1, PRESENT],
    [12, 2, LAZY],
  ]);
  const file = join(scratch.path, "2/pagemap-7.img");
  const whole = readFileSync(file);
  fc.assert(
    fc.property(damaged(whole), (bytes) => {
      writeFileSync(file, bytes);
      try {
        using pages = images.pagesReader("pagemap", 7);
        assert.ok(pages);
      } catch (error) {
        assert.ok(error instanceof StasisError, String(error));
        assert.match(error.code, /^IMAGE_/);
      }
    }),
    { numRuns: 300 },
  );
});
