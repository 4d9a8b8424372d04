import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { parseNamespaceLink, readNamespaces } from "../../../src/kernel/proc/namespaces.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

test("a namespace is known by the inode in its link", () => {
  assert.equal(parseNamespaceLink("net:[4026531840]"), 4026531840);
  assert.throws(() => parseNamespaceLink("/proc/1/ns/net"), ProcFormatError);
});

test("any text gives a number or is refused", () => {
  understandsOrRefuses(parseNamespaceLink, ["net:[4026531840]"]);
});

test("our own namespaces are those that stat shows", () => {
  const namespaces = readNamespaces(asPid(process.pid));
  assert.equal(namespaces?.net, statSync("/proc/self/ns/net").ino);
  assert.equal(namespaces?.time, statSync("/proc/self/ns/time").ino);
});

test("a process that is gone is in no namespace", () => {
  assert.equal(readNamespaces(asPid(0x3fffff)), undefined);
});
