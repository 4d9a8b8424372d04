import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../src/images/directory.js";
import { PstreeEntrySchema } from "../../src/images/format/entries.js";
import { PagemapFlag } from "../../src/images/format/pagemap.js";
import { openImages } from "../../src/images/library.js";
import { inventory, scratchDirectory } from "./scratch.js";

function writeParentAndChild(path: string): string {
  const parent = join(path, "1");
  const child = join(path, "2");
  for (const directory of [parent, child]) mkdirSync(directory);
  const first = ImageDirectory.create(parent);
  const pages = new Uint8Array(3 * 4096).map((_, at) => at >> 12);
  const head = first.pagesWriter("pagemap", 5);
  head.add(0x10000n, 3, PagemapFlag.PRESENT);
  head.append(pages);
  head.close();
  first.commit(inventory(), { durable: false });
  symlinkSync("../1", join(child, "parent"));
  const second = ImageDirectory.create(child);
  const entry = create(PstreeEntrySchema, { pid: 5, ppid: 0, pgid: 5, sid: 5, threads: [5, 6] });
  second.write("pstree", undefined, [entry]);
  return child;
}

test("a directory that is none is refused in words", () => {
  assert.throws(() => openImages("/nowhere/at/all"), {
    message: 'Cannot open the images directory "/nowhere/at/all": it is not there, or no directory',
  });
});

test("entries have types, files have names and sizes, and the chain of parents is followed", async () => {
  using scratch = scratchDirectory();
  const images = openImages(writeParentAndChild(scratch.path));
  writeFileSync(join(images.path, "criu.log"), "");
  assert.equal(images.complete, false);
  assert.deepEqual(
    images.entries("pstree").map(({ pid, threads }) => [pid, threads]),
    [[5, [5, 6]]],
  );
  assert.deepEqual(images.entries("files"), []);
  assert.deepEqual(
    images.files().map(({ file, name, id }) => [file, name, id]),
    [["pstree.img", "pstree", undefined]],
  );
  assert.deepEqual(images.toJson("pstree"), {
    magic: "PSTREE",
    entries: [{ pid: 5, ppid: 0, pgid: 5, sid: 5, threads: [5, 6] }],
  });
  const [, parent] = [...images.chain()];
  assert.equal(parent?.complete, true);
  const found: [bigint, number][] = [];
  for await (const { vaddr, bytes } of parent?.pages(5) ?? []) found.push([vaddr, bytes?.at(-1) ?? -1]);
  assert.deepEqual(found, [[0x10000n, 2]]);
  assert.throws(
    () => images.entries("core", 5),
    /^StasisError: Cannot read the image core-5\.img: the file is not there$/,
  );
});
