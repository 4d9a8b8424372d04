import assert from "node:assert/strict";
import { linkSync, readdirSync, readFileSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../src/images/directory.js";
import { FsEntrySchema } from "../../src/images/format/entries.js";
import { inventory, scratchDirectory } from "./scratch.js";

const fs = create(FsEntrySchema, { cwdId: 1, rootId: 2, umask: 0o22 });
const expected = (count: number) => Array.from({ length: count }, (_, id) => ["fs", id] as const);

function makeAll(paths: readonly string[]): () => void {
  for (const path of paths) writeFileSync(path, "");
  return () => {};
}

test("expected images are made before they are written, and go when they are not", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  using _expected = images.expect(expected(40), makeAll);
  const { ino, mode } = statSync(join(scratch.path, "fs-7.img"));
  images.write("fs", 7, [fs]);
  images.commit(inventory());
  assert.deepEqual(readdirSync(scratch.path).sort(), ["fs-7.img", "inventory.img"]);
  const written = statSync(join(scratch.path, "fs-7.img"));
  assert.deepEqual([written.ino, written.mode], [ino, mode]);
  assert.deepEqual(ImageDirectory.open(scratch.path).images.readOne("fs", 7), fs);
});

test("a dump that fails leaves no empty images of those that it expected", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  {
    using _expected = images.expect(expected(40), makeAll);
    images.write("fs", 7, [fs]);
  }
  assert.deepEqual(readdirSync(scratch.path), ["fs-7.img"]);
});

for (const [what, lay] of [
  ["a symbolic link", symlinkSync],
  ["another name of a file", linkSync],
] as const)
  test(`${what} that takes the place of an expected image is replaced`, () => {
    using scratch = scratchDirectory();
    using elsewhere = scratchDirectory();
    const victim = join(elsewhere.path, "victim");
    writeFileSync(victim, "");
    const images = ImageDirectory.create(scratch.path);
    using _expected = images.expect(expected(40), makeAll);
    const image = join(scratch.path, "fs-7.img");
    unlinkSync(image);
    lay(victim, image);
    images.write("fs", 7, [fs]);
    images.commit(inventory());
    assert.equal(readFileSync(victim, "utf8"), "");
    assert.deepEqual(ImageDirectory.open(scratch.path).images.readOne("fs", 7), fs);
  });
