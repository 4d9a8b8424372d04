import assert from "node:assert/strict";
import { closeSync, fstatSync, mkdirSync, mkdtempSync, openSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { F_DUPFD, LOCK_EX, O, O_RDONLY, SEEK_SET } from "../../../src/kernel/abi/fcntl.js";
import { AF_UNIX, SOCK } from "../../../src/kernel/abi/socket.js";
import { AT_FDCWD, asPid, asTargetFd, type TargetFd } from "../../../src/kernel/brand.js";
import { own } from "../../../src/kernel/own-fd.js";
import { bindTo, newSocketPair } from "../../../src/kernel/packets.js";
import {
  type Look,
  type SeenDescriptor,
  type SeenSocket,
  seenDescriptors,
} from "../../../src/kernel/proc/descriptors.js";
import { type Fdinfo, listFds, readFdinfo, readFdLink } from "../../../src/kernel/proc/fdinfo.js";
import { Scope } from "../../../src/kernel/scope.js";
import { sys } from "../../../src/kernel/syscalls.js";

const self = asPid(process.pid);

function seen<T>(fds: readonly TargetFd[], what: (one: SeenDescriptor) => T, how: Look = {}): T[] {
  using pidfd = own(sys.pidfd_open(self, 0));
  return Array.from(seenDescriptors(self, pidfd.fd, fds, how), ({ look }) => what(look()));
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

test("a quick look sees what a thorough one does, of files that have nothing to tell and of others", () => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-descriptors-"));
  using scope = new Scope();
  const open = (path: string, flags: number) =>
    scope.use(own(sys.openat(AT_FDCWD, path, flags | O.O_CLOEXEC, 0o600))).fd;
  const file = (name: string, flags: number) => open(join(directory, name), flags | O.O_CREAT);
  scope.defer(() => rmSync(directory, { recursive: true }));
  const far = file("far", O.O_RDWR | O.O_APPEND);
  sys.lseek(far, 5n << 32n, SEEK_SET);
  const locked = file("locked", O.O_RDWR);
  sys.flock(locked, LOCK_EX);
  const kept = sys.fcntlDupFd(far, F_DUPFD, 0);
  scope.defer(() => sys.close(kept));
  const pair = newSocketPair().map((one) => scope.use(one).fd);
  const places = [open("/proc/self/status", O_RDONLY), open(directory, O_RDONLY), open(directory, O.O_PATH)];
  const eventfd = sys.eventfd2(7, 0);
  scope.defer(() => sys.close(eventfd));
  const fds = [far, locked, kept, ...pair, ...places, open("/dev/null", O_RDONLY), eventfd].map(asTargetFd);
  const lockedInode = fstatSync(locked, { bigint: true }).ino;
  for (const areKnown of [true, false]) {
    const quick = {
      closeOnExec: new Set(fds.filter((fd) => fd !== asTargetFd(kept) && fd !== asTargetFd(eventfd))),
      locked: { areKnown, has: (inode: bigint) => inode === lockedInode },
    };
    const look = ({ targetFd, fdinfo }: SeenDescriptor) => {
      const wanted = readFdinfo(self, targetFd);
      for (const name of ["position", "flags", "mountId"] as const)
        assert.equal(fdinfo?.[name], wanted?.[name], `${name} of ${readFdLink(self, targetFd)}`);
      // Of a socket it does not tell how many descriptors wait in it.
      const fields = (info: Fdinfo | undefined) => [...(info?.fields ?? [])].filter(([key]) => key !== "scm_fds");
      assert.deepEqual(fields(fdinfo), fields(wanted));
    };
    assert.equal(seen(fds, look, { quick }).length, fds.length);
  }
});

test("sockets are told of before they are looked at, and what that gave is given back when all have been", () => {
  using scope = new Scope();
  const pairs = Array.from({ length: 100 }, () => newSocketPair().map((one) => scope.use(one).fd)).flat();
  const told: (readonly SeenSocket[])[] = [];
  let given = 0;
  const foresee = (sockets: readonly SeenSocket[]) => {
    told.push(sockets);
    given++;
    return { [Symbol.dispose]: () => void given-- };
  };
  const look = ({ stat, duplicate }: SeenDescriptor) => {
    assert.equal(given, 1);
    assert.ok(told.at(-1)?.some((one) => one.inode === stat.ino && one.duplicate === duplicate));
    return stat.ino;
  };
  const inodes = seen(pairs.map(asTargetFd), look, { foresee });
  assert.equal(given, 0);
  assert.deepEqual(
    told.flat().map(({ inode }) => inode),
    inodes,
  );
});
