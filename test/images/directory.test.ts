import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../src/images/directory.js";
import {
  FileEntrySchema,
  FsEntrySchema,
  InventoryEntrySchema,
  PstreeEntrySchema,
} from "../../src/images/format/entries.js";
import { asFd } from "../../src/kernel/brand.js";
import { inventory, says, scratchDirectory } from "./scratch.js";

const root = create(PstreeEntrySchema, { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7] });
const fs = create(FsEntrySchema, { cwdId: 1, rootId: 2, umask: 0o22 });

test("what was written is read back, by path and by descriptor", () => {
  using scratch = scratchDirectory();
  const fd = openSync(scratch.path, "r");
  const written = ImageDirectory.create(asFd(fd));
  written.write("pstree", undefined, [root]);
  written.write("fs", 7, [fs]);
  written.commit(inventory());
  closeSync(fd);
  assert.deepEqual(readdirSync(scratch.path).sort(), ["fs-7.img", "inventory.img", "pstree.img"]);

  const read = ImageDirectory.open(scratch.path);
  assert.equal(read.inventory.rootCgSet, 1);
  assert.deepEqual(read.images.read("pstree", undefined), [root]);
  assert.deepEqual(read.images.readOne("fs", 7), fs);
});

test("a directory without an inventory is refused", () => {
  using scratch = scratchDirectory();
  ImageDirectory.create(scratch.path).write("pstree", undefined, [root]);
  assert.throws(
    () => ImageDirectory.open(scratch.path),
    says(
      `Cannot restore from the images directory "${scratch.path}": it has no inventory.img, so it holds no dump or one that was not completed`,
    ),
  );
});

test("a dump into a directory of images takes its completeness away first", () => {
  using scratch = scratchDirectory();
  ImageDirectory.create(scratch.path).commit(inventory());
  ImageDirectory.open(scratch.path);
  ImageDirectory.create(scratch.path);
  assert.throws(() => ImageDirectory.open(scratch.path), /it has no inventory.img/);
});

test("images of another version are refused", () => {
  using scratch = scratchDirectory();
  const later = { ...inventory(), imgVersion: 3 };
  ImageDirectory.create(scratch.path).commit(create(InventoryEntrySchema, later));
  const text = "Cannot read the image inventory.img: the images have version 3, the current version is 2";
  assert.throws(() => ImageDirectory.open(scratch.path), says(text));
});

test("a directory that is not there is named", () => {
  const text = 'Cannot look at the images directory "/nowhere": ENOENT: no such file or directory';
  assert.throws(() => ImageDirectory.open("/nowhere"), says(text));
});

test("leftovers of an earlier dump go where this one has nothing", () => {
  using scratch = scratchDirectory();
  for (const file of ["pipes-data.img", "files.img", "fdinfo-2.img", "core-9.img", "criu.log"])
    writeFileSync(join(scratch.path, file), "old");
  const images = ImageDirectory.create(scratch.path);
  images.write("files", undefined, [create(FileEntrySchema, { type: 1, id: 1 })]);
  images.write("fdinfo", 2, []);
  images.commit(inventory());
  assert.deepEqual(readdirSync(scratch.path).sort(), ["core-9.img", "criu.log", "files.img", "inventory.img"]);
});

test("an image that is a link is replaced, and what it led to is left alone", () => {
  using scratch = scratchDirectory();
  const precious = join(scratch.path, "precious");
  writeFileSync(precious, "precious");
  symlinkSync(precious, join(scratch.path, "pstree.img"));
  linkSync(precious, join(scratch.path, "fs-7.img"));
  const images = ImageDirectory.create(scratch.path);
  images.write("pstree", undefined, [root]);
  images.write("fs", 7, [fs]);
  assert.equal(readFileSync(precious, "utf8"), "precious");
});

test("an image is readable for all, unless umask says otherwise", () => {
  using scratch = scratchDirectory();
  const mask = process.umask(0o77);
  try {
    ImageDirectory.create(scratch.path).write("fs", 7, [fs]);
    assert.equal(statSync(join(scratch.path, "fs-7.img")).mode & 0o777, 0o600);
  } finally {
    process.umask(mask);
  }
});

test("a FIFO with the name of an image does not hang the restore", () => {
  using scratch = scratchDirectory();
  execFileSync("mkfifo", [join(scratch.path, "pstree.img")]);
  const images = ImageDirectory.at(scratch.path);
  assert.throws(
    () => images.read("pstree", undefined),
    says("Cannot read the image pstree.img: it is not a regular file"),
  );
});

test("an absent image is empty, or an error where every dump has one", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.at(scratch.path);
  assert.deepEqual(images.read("fdinfo", 2), []);
  assert.equal(images.readOptional("cgroup", undefined), undefined);
  assert.throws(() => images.read("core", 7), says("Cannot read the image core-7.img: the file is not there"));
  assert.throws(() => images.readOne("utsns", 7), says("Cannot read the image utsns-7.img: the file is not there"));
});

test("a second record where one belongs is an error", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  images.write("fs", 7, [fs, fs]);
  assert.throws(
    () => images.readOne("fs", 7),
    says("Cannot read the image fs-7.img, record 0: 10 bytes follow the only record"),
  );
});

test("many records are written in few calls, and read through windows", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const count = 50_000;
  {
    using writer = images.writer("pstree", undefined);
    for (let pid = 1; pid <= count; pid++)
      writer.append(create(PstreeEntrySchema, { pid, ppid: 0, pgid: 1, sid: 1, threads: [pid] }));
    writer.close();
  }
  let expected = 0;
  using reader = images.reader("pstree", undefined);
  for (const { pid } of reader ?? []) assert.equal(pid, ++expected);
  assert.equal(expected, count);
});

test("an image that was not closed keeps the dump from being completed", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const writer = images.writer("files", undefined);
  assert.throws(
    () => images.writer("files", undefined),
    says("Cannot write the image files.img: it is being written already"),
  );
  assert.throws(() => images.commit(inventory()), says("Cannot write the image files.img: it was not closed"));
  writer[Symbol.dispose]();
  images.commit(inventory(), { durable: false });
});

test("content behind a record can be written and read by descriptor", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const large = Buffer.alloc(300_000, "large");
  {
    using writer = images.writer("tty-data", undefined);
    writer.blob(Buffer.from("abc"), 4);
    writeFileSync(writer.flush(), "def");
    writer.blob(large);
    writer.close();
  }
  using reader = images.reader("tty-data", undefined);
  assert.equal(Buffer.from(reader?.blob(3, 4) ?? []).toString(), "abc");
  assert.equal(reader?.offset, 12);
  reader?.skipBlob(3);
  assert.ok(large.equals(reader?.blob(large.length) ?? Buffer.alloc(0)));
  assert.equal(reader?.remaining, 0);
});

test("what comes behind entries that wait to be encoded, few or many, stands behind them", () => {
  for (const count of [1, 100]) {
    using scratch = scratchDirectory();
    const images = ImageDirectory.create(scratch.path);
    {
      using writer = images.writer("pstree", undefined);
      for (let entry = 0; entry < count; entry++) writer.append(root);
      writer.blob(Buffer.from("abcd"));
      writer.append(root);
      writer.appendAs(FsEntrySchema, fs);
      writer.close();
    }
    using reader = images.reader("pstree", undefined);
    for (let entry = 0; entry < count; entry++) assert.deepEqual(reader?.next(), root);
    assert.equal(Buffer.from(reader?.blob(4) ?? []).toString(), "abcd");
    assert.deepEqual(reader?.next(), root);
    assert.deepEqual(reader?.next(FsEntrySchema), fs);
    assert.equal(reader?.remaining, 0);
  }
});

test("the parent link is kept word for word, and followed from the directory", () => {
  using scratch = scratchDirectory();
  for (const name of ["1", "2"]) mkdirSync(join(scratch.path, name));
  const first = ImageDirectory.create(join(scratch.path, "1"));
  const second = ImageDirectory.create(join(scratch.path, "2"));
  second.linkParent("../1");
  assert.equal(second.parent()?.identity(), first.identity());
  second.linkParent(undefined);
  assert.equal(second.parent(), undefined);
  second.linkParent("../3");
  assert.throws(() => second.parent(), says("Cannot read the image parent: it does not lead to a directory"));
});

test("a failure of the disk is told with the image and the kernel's reason", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(join(scratch.path, "gone"));
  const text = "Cannot create the image fs-7.img: ENOENT: no such file or directory";
  assert.throws(() => images.write("fs", 7, [fs]), says(text));
});

test("what waits to be written is written when there is much of it", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const ids = Array.from({ length: 600 }, (_, id) => id);
  for (const id of ids) images.writeLater("fs", id, [fs]);
  assert.ok(existsSync(join(scratch.path, "fs-0.img")));
  assert.ok(!existsSync(join(scratch.path, "fs-599.img")));
  images.commit(inventory());
  for (const id of ids) assert.deepEqual(images.readOne("fs", id), fs);
});

test("an image that is written, or waits to be, can be changed", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  images.writeLater("fs", 7, [fs]);
  for (const umask of [0o77, 0o27])
    images.amend("fs", 7, (entry) => {
      entry.umask = umask;
    });
  images.commit(inventory());
  assert.equal(images.readOne("fs", 7).umask, 0o27);
});
