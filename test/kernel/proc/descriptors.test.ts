import assert from "node:assert/strict";
import { closeSync, fstatSync, mkdirSync, mkdtempSync, openSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { O } from "../../../src/kernel/abi/fcntl.js";
import { AF_UNIX, SOCK } from "../../../src/kernel/abi/socket.js";
import { AT_FDCWD, asPid, asTargetFd, type TargetFd } from "../../../src/kernel/brand.js";
import { own } from "../../../src/kernel/own-fd.js";
import { bindTo, newSocketPair } from "../../../src/kernel/packets.js";
import { type SeenDescriptor, seenDescriptors } from "../../../src/kernel/proc/descriptors.js";
import { listFds, readFdinfo, readFdLink } from "../../../src/kernel/proc/fdinfo.js";
import { sys } from "../../../src/kernel/syscalls.js";

const self = asPid(process.pid);

function seen<T>(fds: readonly TargetFd[], what: (one: SeenDescriptor) => T): T[] {
  using pidfd = own(sys.pidfd_open(self, 0));
  return Array.from(seenDescriptors(self, pidfd.fd, fds), ({ look }) => what(look()));
}

test("many descriptors are seen as each of them by itself, and none of ours is left open", () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-descriptors-"));
  const opened = Array.from({ length: 400 }, (_, index) => openSync(join(directory, `${index}`), "w+"));
  try {
    unlinkSync(join(directory, "7"));
    const before = listFds(self);
    const found = seen(opened.map(asTargetFd), ({ targetFd, link, fdinfo, stat, isAtLink, isOwned }) => {
      assert.equal(link, readFdLink(self, targetFd));
      assert.deepEqual(fdinfo, readFdinfo(self, targetFd));
      assert.equal(stat.ino, fstatSync(targetFd, { bigint: true }).ino);
      assert.equal(isOwned, false);
      return isAtLink;
    });
    assert.deepEqual(
      found,
      opened.map((_, index) => index !== 7),
    );
    assert.deepEqual(listFds(self), before);
  } finally {
    for (const fd of opened) closeSync(fd);
    rmSync(directory, { recursive: true });
  }
});

test("a path longer than the room for it, and a symbolic link, are seen too", () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-descriptors-"));
  const below = join(directory, ...Array.from({ length: 3 }, () => "x".repeat(200)));
  mkdirSync(below, { recursive: true });
  const deep = openSync(join(below, "file"), "w");
  using link = own(sys.openat(AT_FDCWD, "/proc/self/exe", O.O_PATH | O.O_NOFOLLOW | O.O_CLOEXEC, 0));
  try {
    const [first, second] = seen([asTargetFd(deep), asTargetFd(link.fd)], (one) => one);
    assert.equal(first?.link, readFdLink(self, asTargetFd(deep)));
    assert.equal(first?.isAtLink, undefined);
    assert.equal(second?.isAtLink, undefined);
    assert.equal(second?.isOwned, false);
  } finally {
    closeSync(deep);
    rmSync(directory, { recursive: true });
  }
});

test("sockets among files are named as the kernel names them, and the file of one, held with O_PATH, is no socket", () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-descriptors-"));
  const path = join(directory, "socket");
  const file = openSync(join(directory, "file"), "w");
  const [one, other] = newSocketPair();
  try {
    bindTo(one.fd, path);
    using held = own(sys.openat(AT_FDCWD, path, O.O_PATH | O.O_CLOEXEC, 0));
    const fds = [one.fd, file, held.fd, other.fd, file].map(asTargetFd);
    const kind = { family: AF_UNIX, type: SOCK.SOCK_SEQPACKET, protocol: 0 };
    assert.deepEqual(
      seen(fds, ({ link, socket, isAtLink }) => ({ link, socket, isAtLink })),
      [
        { link: readFdLink(self, asTargetFd(one.fd)), socket: kind, isAtLink: false },
        { link: join(directory, "file"), socket: undefined, isAtLink: true },
        { link: path, socket: undefined, isAtLink: true },
        { link: readFdLink(self, asTargetFd(other.fd)), socket: kind, isAtLink: false },
        { link: join(directory, "file"), socket: undefined, isAtLink: true },
      ],
    );
  } finally {
    for (const socket of [one, other]) socket[Symbol.dispose]();
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
});

test("a descriptor that is gone is told when it is looked at", () => {
  assert.throws(
    () => seen([asTargetFd(999_999)], (one) => one),
    /^SyscallError: pidfd_getfd\(\d+, 999999, 0\): EBADF$/,
  );
});
