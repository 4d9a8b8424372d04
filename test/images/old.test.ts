import assert from "node:assert/strict";
import { test } from "node:test";
import { create, equals } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../src/images/directory.js";
import {
  CoreEntrySchema,
  EventpollFileEntrySchema,
  EventpollTfdEntrySchema,
  FdType,
  FileEntrySchema,
  FownEntrySchema,
  RegFileEntrySchema,
  SaEntrySchema,
} from "../../src/images/format/entries.js";
import { readFiles, readSignalActions } from "../../src/images/old.js";
import { scratchDirectory } from "./scratch.js";

const fown = create(FownEntrySchema, { uid: 0, euid: 0, signum: 0, pidType: 0, pid: 0 });
const reg = create(RegFileEntrySchema, { id: 1, flags: 0, pos: 0n, fown, name: "/bin/sleep" });

test("open files of before CRIU 3.4 are put together from their images", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const targets = [7, 8].map((tfd) => create(EventpollTfdEntrySchema, { id: 2, tfd, events: 1, data: 0n }));
  images.write("reg-files", undefined, [reg]);
  images.write("eventpoll", undefined, [create(EventpollFileEntrySchema, { id: 2, flags: 0, fown })]);
  images.write("eventpoll-tfd", undefined, targets);
  const expected = [
    create(FileEntrySchema, { type: FdType.REG, id: 1, reg }),
    create(FileEntrySchema, { type: FdType.EVENTPOLL, id: 2, epfd: { id: 2, flags: 0, fown, tfd: targets } }),
  ];
  const files = readFiles(images);
  assert.equal(files.length, 2);
  for (const [index, file] of files.entries()) assert.ok(equals(FileEntrySchema, file, expected[index] ?? file));
});

test("files.img is taken alone where it is, whatever lies about of older dumps", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  images.write("reg-files", undefined, [reg]);
  images.write("files", undefined, [create(FileEntrySchema, { type: FdType.REG, id: 9, reg })]);
  assert.deepEqual(
    readFiles(images).map(({ id }) => id),
    [9],
  );
});

test("signal actions are read from core, or from the image that they had", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  const action = (sigaction: bigint) => create(SaEntrySchema, { sigaction, flags: 0n, restorer: 0n, mask: 0n });
  images.write("sigacts", 7, [action(1n), action(2n)]);
  const tc = { taskState: 1, exitCode: 0, personality: 0, flags: 0, blkSigset: 0n, comm: "x" };
  const core = create(CoreEntrySchema, { mtype: 1, tc });
  assert.equal(readSignalActions(images, 7, core).length, 2);
  const today = create(CoreEntrySchema, { mtype: 1, tc: { ...tc, sigactions: [action(3n)] } });
  assert.equal(readSignalActions(images, 7, today)[0]?.sigaction, 3n);
});
