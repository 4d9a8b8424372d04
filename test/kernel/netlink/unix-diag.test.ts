import assert from "node:assert/strict";
import { test } from "node:test";
import { UnixDiag } from "../../../src/kernel/netlink/unix-diag.js";
import { newSocketPair, sendPacket } from "../../../src/kernel/packets.js";
import { Scope } from "../../../src/kernel/scope.js";
import { statOf } from "../../../src/kernel/stat.js";

test("of many sockets the kernel is asked together, and says the same", () => {
  using scope = new Scope();
  const pairs = Array.from({ length: 50 }, () => newSocketPair().map((end) => scope.use(end)));
  for (const [index, [end]] of pairs.entries()) if (end !== undefined) sendPacket(end.fd, new Uint8Array(index + 1));
  const inodes = pairs.flat().map(({ fd }) => Number(statOf(fd).ino));
  const diag = scope.use(new UnixDiag());
  assert.deepEqual(
    inodes.map((inode) => diag.state(inode)),
    inodes.map((inode) => diag.stateNow(inode)),
  );
  const [later] = newSocketPair().map((end) => scope.use(end));
  assert.ok(later !== undefined);
  assert.equal(diag.state(Number(statOf(later.fd).ino))?.receiveQueue, 0);
  assert.equal(diag.state(1), undefined);
});
