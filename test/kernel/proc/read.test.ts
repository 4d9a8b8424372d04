import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { SyscallError } from "../../../src/kernel/errno.js";
import { listProc, readProc, readProcBytes, readProcLink } from "../../../src/kernel/proc/read.js";

const self = asPid(process.pid);

test("text and bytes of a file are the same", () => {
  const bytes = readProcBytes(self, "cmdline");
  assert.equal(bytes?.toString(), readProc(self, "cmdline"));
  assert.ok(bytes?.includes(0));
});

test("a file larger than one read is read to its end", () => {
  const text = readProc(self, "smaps") ?? "";
  assert.ok(text.length > 8192);
  assert.ok(text.endsWith("\n"));
});

test("a link of a live process is where it points", () => {
  assert.equal(readProcLink(self, "cwd"), process.cwd());
});

test("entries of a directory come in ascending order", () => {
  const fds = listProc(self, "fd") ?? [];
  assert.ok(fds.length >= 3);
  assert.deepEqual(
    fds,
    fds.toSorted((a, b) => a - b),
  );
});

test("of a process that is gone everything is undefined", () => {
  const gone = asPid(0x3fffff);
  assert.deepEqual(
    [readProc(gone, "stat"), readProcLink(gone, "cwd"), listProc(gone, "fd")],
    [undefined, undefined, undefined],
  );
});

test("any other failure is thrown with the call and the path", () => {
  assert.throws(
    () => readProc(self, "task"),
    (error) => error instanceof SyscallError && error.errno === "EISDIR",
  );
});
