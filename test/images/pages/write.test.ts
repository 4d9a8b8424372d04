import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ImageDirectory } from "../../../src/images/directory.js";
import { PagemapFlag } from "../../../src/images/format/pagemap.js";
import { says, scratchDirectory } from "../scratch.js";

const { PARENT, LAZY, PRESENT } = PagemapFlag;
const page = (byte: number) => Buffer.alloc(4096, byte);

test("runs that continue each other become one", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  using pages = images.pagesWriter("pagemap", 7);
  pages.add(0x1000n, 1, PRESENT);
  pages.add(0x2000n, 2n, PRESENT);
  pages.add(0x4000n, 1, PRESENT | LAZY);
  pages.add(0x9000n, 1, PRESENT | LAZY);
  pages.append(Buffer.concat([page(1), page(2), page(3)]));
  writeSync(pages.fd, Buffer.concat([page(4), page(5)]));
  pages.close();
  using reader = images.pagesReader("pagemap", 7);
  const ranges = [...reader.ranges()].map(({ vaddr, pageCount, flags, source }) => ({
    vaddr,
    pageCount,
    flags,
    source,
  }));
  assert.deepEqual(ranges, [
    { vaddr: 0x1000n, pageCount: 3, flags: PRESENT, source: "file" },
    { vaddr: 0x4000n, pageCount: 1, flags: PRESENT | LAZY, source: "file" },
    { vaddr: 0x9000n, pageCount: 1, flags: PRESENT | LAZY, source: "file" },
  ]);
  assert.equal(readFileSync(join(scratch.path, "pages-1.img")).length, 5 * 4096);
});

test("each pagemap has a pages file of its own, and one without content has none", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  for (const id of [7, 8, 9]) {
    using pages = images.pagesWriter("pagemap", id);
    if (id !== 8) {
      pages.add(0n, 1, PRESENT);
      pages.append(page(id));
    }
    pages.close();
  }
  const expected = ["pagemap-7.img", "pagemap-8.img", "pagemap-9.img", "pages-1.img", "pages-3.img"];
  assert.deepEqual(readdirSync(scratch.path).sort(), expected);
});

test("announced and written pages have to agree", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  using pages = images.pagesWriter("pagemap", 7);
  pages.add(0x1000n, 2, PRESENT);
  pages.append(page(1));
  const text = "Cannot write the image pagemap-7.img: 8192 bytes of pages were announced, 4096 written";
  assert.throws(() => pages.close(), says(text));
});

test("pages go up", () => {
  using scratch = scratchDirectory();
  using pages = ImageDirectory.create(scratch.path).pagesWriter("pagemap-shmem", 40n);
  pages.add(0x1000n, 2, LAZY);
  const text = "Cannot write the image pagemap-shmem-40.img: pages at 0x2000 do not follow 0x3000";
  assert.throws(() => pages.add(0x2000n, 1, LAZY), says(text));
});

test("a page is said to be in the parent only when it is", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  {
    using first = images.pagesWriter("pagemap", 7);
    first.add(0x1000n, 2, LAZY);
    first.add(0x3000n, 1, PRESENT);
    first.append(page(1));
    first.close();
  }
  using parent = images.pagesReader("pagemap", 7);
  using pages = images.pagesWriter("pagemap", 8, parent);
  pages.add(0x2000n, 2, PARENT);
  assert.equal(pages.parentPages, 2);
  const text = "Cannot write the image pagemap-8.img: the parent images do not have the 1 pages at 0x4000";
  assert.throws(() => pages.add(0x4000n, 1, PARENT), says(text));
});
