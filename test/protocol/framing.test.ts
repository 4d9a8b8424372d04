import assert from "node:assert/strict";
import { fstatSync, openSync } from "node:fs";
import { test } from "node:test";
import { SOL_SOCKET } from "../../src/kernel/abi/socket.js";
import { asFd } from "../../src/kernel/brand.js";
import { newSocketPair, setNonBlocking } from "../../src/kernel/packets.js";
import { sys } from "../../src/kernel/syscalls.js";
import {
  MAX_MESSAGE_BYTES,
  receiveMessage,
  receiveMessageAsync,
  sendMessage,
  sendMessageAsync,
} from "../../src/protocol/framing.js";

/** Beyond net.core.wmem_max, for whoever has CAP_NET_ADMIN: include/uapi/asm-generic/socket.h */
const SO_SNDBUFFORCE = 32;
const bytes = (...values: number[]) => new Uint8Array(values);

test("every message arrives as it was sent, one at a time", () => {
  const [a, b] = newSocketPair();
  using one = a;
  using other = b;
  const large = new Uint8Array(100_000).fill(7);
  for (const message of [bytes(1), bytes(2, 3), large]) assert.equal(sendMessage(one.fd, message), true);
  assert.deepEqual(receiveMessage(other.fd)?.data, bytes(1));
  assert.deepEqual(receiveMessage(other.fd)?.data, bytes(2, 3));
  assert.deepEqual(receiveMessage(other.fd)?.data, large);
});

test("an empty packet and a closed socket are both the end", () => {
  const [a, b] = newSocketPair();
  using other = b;
  sendMessage(a.fd, bytes());
  assert.equal(receiveMessage(other.fd), undefined);
  a[Symbol.dispose]();
  assert.equal(receiveMessage(other.fd), undefined);
  assert.equal(sendMessage(other.fd, bytes(1)), false);
});

test("what was sent before the connection was reset can still be read", () => {
  const [a, b] = newSocketPair();
  using other = b;
  sendMessage(other.fd, bytes(9));
  sendMessage(a.fd, bytes(1));
  a[Symbol.dispose]();
  assert.deepEqual(receiveMessage(other.fd)?.data, bytes(1));
  assert.equal(receiveMessage(other.fd), undefined);
});

test("a descriptor comes along with its message, and is another one of the same file", () => {
  const [a, b] = newSocketPair();
  using one = a;
  using other = b;
  const file = asFd(openSync("/etc/hostname", "r"));
  sendMessage(one.fd, bytes(1), [file, file]);
  const packet = receiveMessage(other.fd);
  assert.equal(packet?.fds.length, 2);
  for (const passed of packet?.fds ?? []) {
    assert.notEqual(passed.fd, file);
    assert.equal(fstatSync(passed.fd).ino, fstatSync(file).ino);
    passed[Symbol.dispose]();
  }
});

test("a message beyond the limit is refused, and the next one is read", () => {
  const [a, b] = newSocketPair();
  using one = a;
  using other = b;
  const size = new Uint8Array(new Int32Array([2 * MAX_MESSAGE_BYTES]).buffer);
  sys.setsockopt(one.fd, SOL_SOCKET, SO_SNDBUFFORCE, size, size.byteLength);
  sendMessage(one.fd, new Uint8Array(MAX_MESSAGE_BYTES + 1));
  sendMessage(one.fd, bytes(1));
  assert.throws(
    () => receiveMessage(other.fd),
    /Cannot read a message: it has 1048577 bytes, at most 1048576 are read/,
  );
  assert.deepEqual(receiveMessage(other.fd)?.data, bytes(1));
});

test("waiting for a message does not hold the event loop", async () => {
  const [a, b] = newSocketPair();
  using one = a;
  using other = b;
  setNonBlocking(other.fd);
  // The loop itself sends it, after some turns: held, it would never come.
  let ticks = 0;
  const ticking = setInterval(() => {
    ticks++;
    if (ticks === 5) sendMessage(one.fd, bytes(5));
  }, 5);
  const packet = await receiveMessageAsync(other.fd);
  clearInterval(ticking);
  assert.deepEqual(packet?.data, bytes(5));
  assert.ok(ticks > 3, `${ticks} ticks`);
});

test("many sockets are waited for at the same time, more than there are threads for it", async () => {
  const pairs = Array.from({ length: 20 }, () => newSocketPair({ nonBlocking: true }));
  const waiting = pairs.map(([, end]) => receiveMessageAsync(end.fd));
  for (const [index, [end]] of pairs.toReversed().entries()) await sendMessageAsync(end.fd, bytes(index));
  const packets = await Promise.all(waiting);
  assert.deepEqual(
    packets.map((packet) => packet?.data[0]),
    Array.from({ length: 20 }, (_, index) => 19 - index),
  );
  for (const end of pairs.flat()) end[Symbol.dispose]();
});

test("waiting ends with the signal's reason", async () => {
  const [a, b] = newSocketPair({ nonBlocking: true });
  using _one = a;
  using other = b;
  await assert.rejects(receiveMessageAsync(other.fd, AbortSignal.timeout(20)), { name: "TimeoutError" });
  const reason = new Error("enough");
  await assert.rejects(receiveMessageAsync(other.fd, AbortSignal.abort(reason)), reason);
});
