import assert from "node:assert/strict";
import { test } from "node:test";
import { F_GETFD, O, O_RDONLY } from "../../src/kernel/abi/fcntl.js";
import { AT_FDCWD, type Fd } from "../../src/kernel/brand.js";
import { unless } from "../../src/kernel/errno.js";
import { closeAll, own } from "../../src/kernel/own-fd.js";
import { sys } from "../../src/kernel/syscalls.js";

const open = () => own(sys.openat(AT_FDCWD, "/dev/null", O_RDONLY | O.O_CLOEXEC, 0));
const isOpen = (fd: Fd) => unless("EBADF", () => sys.fcntlGetFd(fd, F_GETFD)) !== undefined;

test("an owned descriptor is closed at the end of its scope", () => {
  let fd: Fd;
  {
    using file = open();
    fd = file.fd;
    assert.ok(isOpen(fd));
  }
  assert.ok(!isOpen(fd));
});

test("a descriptor that was given up stays open", () => {
  let fd: Fd;
  {
    using file = open();
    fd = file.release();
  }
  assert.ok(isOpen(fd));
  sys.close(fd);
});

test("many descriptors are closed, and none between them", () => {
  const fds = Array.from({ length: 6 }, () => open().release());
  const [, , kept] = fds;
  assert.ok(kept !== undefined);
  closeAll(fds.filter((fd) => fd !== kept).reverse());
  assert.deepEqual(fds.filter(isOpen), [kept]);
  closeAll([kept]);
  closeAll([]);
  assert.ok(!isOpen(kept));
});
