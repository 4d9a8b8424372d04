import assert from "node:assert/strict";
import { test } from "node:test";
import { CLONE, clone_args, KCMP } from "../../src/kernel/abi/process.js";
import { timespec } from "../../src/kernel/abi/time.js";
import { asPid } from "../../src/kernel/brand.js";
import { call } from "../../src/kernel/call.js";
import { sys } from "../../src/kernel/syscalls.js";

const self = asPid(process.pid);

test("a call without arguments gives its result", () => {
  assert.equal(sys.getpid(), process.pid);
});

test("the kernel writes into a buffer of ours", () => {
  const buffer = new Uint8Array(timespec.sizeBytes);
  sys.clock_gettime(0, buffer);
  const seconds = Number(timespec.decode(buffer).tv_sec);
  assert.ok(Math.abs(seconds - Date.now() / 1000) < 5);
});

test("a process shares its memory with itself", () => {
  assert.equal(sys.kcmp(self, self, KCMP.KCMP_VM, 0n, 0n), 0);
});

test("a failure is a negative number below the table, and no exception", () => {
  assert.equal(call(99999, []), -38);
});

test("clone3 takes the struct of version 2, and flags above 32 bits", () => {
  const args = clone_args.encode({ ...clone_args.decode(new Uint8Array(88)), flags: CLONE.CLONE_VM | (1n << 63n) });
  assert.throws(() => sys.clone3(args, clone_args.sizeBytes), /clone3\(88 bytes, 88\): EINVAL/);
});
