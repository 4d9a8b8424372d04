import assert from "node:assert/strict";
import { test } from "node:test";
import { create, getOption, hasOption } from "@bufbuild/protobuf";
import fc from "fast-check";
import * as entry from "../../../src/images/format/entries.js";
import { type RecordKind, recordKind, recordNames } from "../../../src/images/format/magic.js";
import { flagSets, nameLists } from "../../../src/images/format/names.js";
import { showMessage } from "../../../src/images/format/show.js";
import { messageOf } from "../arbitrary.js";

test("a mapping is shown with addresses and names of bits", () => {
  const vma = {
    start: 0x7f0000000000n,
    end: 0x7f0000001000n,
    pgoff: 0n,
    shmid: 3n,
    prot: 3,
    flags: 0x22,
    status: 0x201,
    fd: -1n,
  };
  assert.deepEqual(showMessage(entry.VmaEntrySchema, create(entry.VmaEntrySchema, vma)), [
    "start: 0x7f0000000000",
    "end: 0x7f0000001000",
    "pgoff: 0x0",
    "shmid: 3",
    "prot: PROT_READ|PROT_WRITE",
    "flags: MAP_PRIVATE|MAP_ANONYMOUS",
    "status: AREA_REGULAR|ANON_PRIVATE",
    "fd: -1",
  ]);
});

test("messages inside are indented, and lists dashed", () => {
  const memory = {
    chunks: true,
    uid: 0,
    gid: 0,
    mode: 0o100644,
    dev: 0x800001,
    rdev: 0x103,
    atim: { tvSec: 1n, tvUsec: 2n },
  };
  assert.deepEqual(showMessage(entry.GhostFileEntrySchema, create(entry.GhostFileEntrySchema, memory)), [
    "uid: 0",
    "gid: 0",
    "mode: 0100644",
    "dev: 8:1",
    "rdev: 1:3",
    "atim:",
    "  tv_sec: 1",
    "  tv_usec: 2",
    "chunks: true",
  ]);
  const extent = (first: number) => ({ first, lowerFirst: 1000, count: 1 });
  const userns = create(entry.UsernsEntrySchema, { uidMap: [extent(0), extent(5)] });
  assert.deepEqual(showMessage(entry.UsernsEntrySchema, userns), [
    "uid_map:",
    "  - first: 0",
    "    lower_first: 1000",
    "    count: 1",
    "  - first: 5",
    "    lower_first: 1000",
    "    count: 1",
  ]);
});

test("addresses of the network, names of sockets and enums are told", () => {
  const sit = create(entry.SitEntrySchema, { local: [0x0100007f], remote: [0x80fe, 0, 0, 0x01000000] });
  assert.deepEqual(showMessage(entry.SitEntrySchema, sit), ["local: 127.0.0.1", "remote: fe80:0:0:0:0:0:0:1"]);
  const fdinfo = create(entry.FdinfoEntrySchema, { id: 1, flags: 1, type: entry.FdType.EVENTFD, fd: 3 });
  assert.deepEqual(showMessage(entry.FdinfoEntrySchema, fdinfo), [
    "id: 1",
    "flags: FD_CLOEXEC",
    "type: EVENTFD",
    "fd: 3",
  ]);
  const socket = create(entry.UnixSkEntrySchema, { name: Buffer.from("\0x\0y"), type: 1, state: 10, uflags: 0x11 });
  const expected = ["type: SOCK_STREAM", "state: LISTEN", "uflags: EXTERN|0x10", 'name: @"x\\u0000y"'];
  assert.deepEqual(showMessage(entry.UnixSkEntrySchema, socket), expected);
});

test("each set of names that a field asks for is there", () => {
  const seen = new Set<unknown>();
  const look = (schema: RecordKind["message"]) => {
    if (seen.has(schema)) return;
    seen.add(schema);
    for (const field of schema.fields) {
      if (field.message) look(field.message);
      if (hasOption(field, entry.show_flags)) assert.ok(flagSets[getOption(field, entry.show_flags)], String(field));
      if (!hasOption(field, entry.show_name)) continue;
      const list = getOption(field, entry.show_name);
      assert.ok(list === "mode" || nameLists[list], String(field));
    }
  };
  for (const name of recordNames) look(recordKind(name).message);
});

test("anything can be shown", () => {
  for (const name of recordNames) {
    const kind: RecordKind = recordKind(name);
    fc.assert(
      fc.property(messageOf(kind.message), (message) => void showMessage(kind.message, message)),
      { numRuns: 10 },
    );
  }
});
