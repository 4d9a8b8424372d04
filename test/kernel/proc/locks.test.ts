import assert from "node:assert/strict";
import { fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LOCK_EX, LOCK_SH, O } from "../../../src/kernel/abi/fcntl.js";
import { AT_FDCWD } from "../../../src/kernel/brand.js";
import { own } from "../../../src/kernel/own-fd.js";
import { LockedInodes, lockedInodesIn } from "../../../src/kernel/proc/locks.js";
import { Scope } from "../../../src/kernel/scope.js";
import { sys } from "../../../src/kernel/syscalls.js";
import { understandsOrRefuses } from "./throws-only.js";

const LOCKS = `1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 10 14
2: FLOCK  ADVISORY  WRITE 12 00:2a:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 00:2a:77 0 EOF
3: OFDLCK ADVISORY  READ  -1 103:02:18446744073709551615 50 EOF
4: LEASE  BREAKING  UNLCK 4711 fe:10:99 0 EOF
5: DELEG  ACTIVE    READ 0 <none>:0 0 EOF
`;

test("each line of /proc/locks tells of an inode", () => {
  assert.deepEqual([...lockedInodesIn(LOCKS)], [1234n, 77n, 18446744073709551615n, 99n, 0n]);
  assert.equal(lockedInodesIn("").size, 0);
});

test("whatever stands in /proc/locks, it is understood or refused", () =>
  understandsOrRefuses(lockedInodesIn, [LOCKS]));

test("files that are locked are known from those that are not, more of them than a page shows", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "stasis-locks-"));
  using scope = new Scope();
  scope.defer(() => rmSync(directory, { recursive: true }));
  const files = Array.from({ length: 500 }, (_, index) => {
    const flags = O.O_CREAT | O.O_RDWR | O.O_CLOEXEC;
    return scope.use(own(sys.openat(AT_FDCWD, join(directory, `${index}`), flags, 0o600))).fd;
  });
  const inodes = files.map((file) => fstatSync(file, { bigint: true }).ino);
  for (const count of [1, 500]) {
    for (const file of files.slice(0, count)) sys.flock(file, count === 1 ? LOCK_SH : LOCK_EX);
    using locked = LockedInodes.begin();
    if (locked === undefined) return t.skip("in a pid namespace where not all locks are shown");
    assert.deepEqual(
      inodes.map((inode) => locked.has(inode)),
      inodes.map((_, index) => index < count),
    );
    assert.ok(locked.areKnown);
  }
});
