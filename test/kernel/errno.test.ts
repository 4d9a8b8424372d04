import assert from "node:assert/strict";
import { test } from "node:test";
import { asFd, asPid } from "../../src/kernel/brand.js";
import { errno, errnoName, SyscallError, unless } from "../../src/kernel/errno.js";
import { sys } from "../../src/kernel/syscalls.js";

test("an error number has its name, and a number without one is shown as it is", () => {
  assert.equal(errnoName(2), "ENOENT");
  assert.equal(errnoName(errno.EAGAIN), "EAGAIN");
  assert.equal(errnoName(524), "errno 524");
});

test("a failed call is shown as it would be written, with the process that made it", () => {
  const error = new SyscallError("setsockopt", errno.EPERM, ["19", "TCP_REPAIR", "1"], asPid(4711));
  assert.equal(error.message, "setsockopt(19, TCP_REPAIR, 1): EPERM, in pid 4711");
  assert.equal(error.errno, "EPERM");
});

test("a call of ours that fails throws with its arguments", () => {
  assert.throws(
    () => sys.close(asFd(987654)),
    (error) => error instanceof SyscallError && error.message === "close(987654): EBADF",
  );
});

test("an expected error is the value undefined, any other is thrown on", () => {
  assert.equal(
    unless("EBADF", () => sys.close(asFd(987654))),
    undefined,
  );
  assert.equal(
    unless(["ESRCH", "EBADF"], () => sys.close(asFd(987654))),
    undefined,
  );
  assert.throws(() => unless("ESRCH", () => sys.close(asFd(987654))), SyscallError);
  assert.throws(
    () =>
      unless("EBADF", () => {
        throw new TypeError("ours");
      }),
    TypeError,
  );
});
