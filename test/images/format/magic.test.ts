import assert from "node:assert/strict";
import { test } from "node:test";
import { fileName, imageKinds, imageNames, imageOfFile } from "../../../src/images/format/magic.js";

test("file names are CRIU's", () => {
  assert.equal(fileName("core", 4711), "core-4711.img");
  assert.equal(fileName("tcp-stream", 0x1f40), "tcp-stream-1f40.img");
  assert.equal(fileName("pagemap-shmem", 2n ** 63n), "pagemap-shmem-9223372036854775808.img");
  assert.equal(fileName("tmpfs-dev", 35), "tmpfs-dev-35.tar.gz.img");
  assert.equal(fileName("stats-dump", undefined), "stats-dump");
});

test("an id that is missing or has no place is a mistake of the caller", () => {
  assert.throws(() => fileName("core", undefined), /image core \(core-%u\.img\) needs an id/);
  assert.throws(() => fileName("pstree", 1), /image pstree \(pstree\.img\) takes no id, got 1/);
});

test("each file name leads back to its image", () => {
  for (const name of imageNames) {
    const id = imageKinds[name].file.includes("%") ? 0xabc : undefined;
    const expected = { name, id: id === undefined ? undefined : BigInt(id) };
    assert.deepEqual(imageOfFile(fileName(name, id)), expected);
  }
});

test("other files of a directory are no images", () => {
  for (const file of [
    "parent",
    "criu.log",
    "core-.img",
    "core-01.img",
    "core-1.img.new",
    "xpstree.img",
    "tcp-stream-G.img",
  ]) {
    assert.equal(imageOfFile(file), undefined, file);
  }
});

test("two images with one magic are two names for one kind of record", () => {
  const seen = new Map<number, string>();
  for (const name of imageNames) {
    const kind = imageKinds[name];
    if (!kind.records) continue;
    assert.equal(seen.get(kind.magic) ?? kind.crit, kind.crit);
    seen.set(kind.magic, kind.crit);
  }
});
