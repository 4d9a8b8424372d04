// Options of sockets, asked for in lists, by calls and in a ring.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AF_INET, AF_INET6, IPV6, SOL_IPV6, SOL_TCP } from "../../src/kernel/abi/in.js";
import {
  AF_UNIX,
  SO_ATTACH_FILTER,
  SO_DOMAIN,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_PEERNAME,
  SO_PRIORITY,
  SO_SNDBUF,
  SO_TYPE,
  SOCK,
  SOL_SOCKET,
  type SocketOption,
} from "../../src/kernel/abi/socket.js";
import { TCP } from "../../src/kernel/abi/tcp.js";
import { Asking } from "../../src/kernel/asked-options.js";
import { asFd } from "../../src/kernel/brand.js";
import { SyscallError } from "../../src/kernel/errno.js";
import { OptionRing, RING_ENTRIES } from "../../src/kernel/option-ring.js";
import { own } from "../../src/kernel/own-fd.js";
import { Scope } from "../../src/kernel/scope.js";
import { writeInteger } from "../../src/kernel/socket-options.js";
import { sys } from "../../src/kernel/syscalls.js";
import { share } from "../../src/kernel/thread.js";

const general: SocketOption[] = [
  { level: SOL_SOCKET, name: SO_DOMAIN },
  { level: SOL_SOCKET, name: SO_TYPE },
  { level: SOL_SOCKET, name: SO_LINGER, sizeBytes: 8 },
  { level: SOL_SOCKET, name: SO_SNDBUF },
  { level: SOL_SOCKET, name: SO_KEEPALIVE },
  { level: SOL_SOCKET, name: SO_PRIORITY },
  { level: SOL_SOCKET, name: SO_ATTACH_FILTER, sizeBytes: 0 },
  // A new socket is not connected, and nobody knows the last one.
  { level: SOL_SOCKET, name: SO_PEERNAME, sizeBytes: 16 },
  { level: SOL_SOCKET, name: 9999 },
];
const ofProtocols: SocketOption[] = [
  { level: SOL_TCP, name: TCP.NODELAY },
  { level: SOL_IPV6, name: IPV6.V6ONLY },
];
const LISTS = { general, ofProtocols, type: [{ level: SOL_SOCKET, name: SO_TYPE }] };
const NAMES = ["general", "ofProtocols", "type"] as const;

function ringOf(t: { skip(reason: string): void }): OptionRing | undefined {
  try {
    return new OptionRing();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    t.skip(error.message);
    return undefined;
  }
}

for (const [title, family, type] of [
  ["a unix socket", AF_UNIX, SOCK.SOCK_DGRAM],
  ["a TCP socket", AF_INET, SOCK.SOCK_STREAM],
  ["a UDP socket of IPv6", AF_INET6, SOCK.SOCK_DGRAM],
] as const)
  test(`the ring gives the answers of ${title} that calls give`, (t) => {
    using ring = ringOf(t);
    if (ring === undefined) return;
    using socket = own(sys.socket(family, type, 0));
    writeInteger(socket.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    writeInteger(socket.fd, SOL_SOCKET, SO_PRIORITY, 5);
    const [called, ringed] = [new Asking(LISTS, undefined), new Asking(LISTS, ring)];
    // More often than there are entries.
    for (let times = 0; times < RING_ENTRIES; times++) {
      const [expected, found] = [called.ask(socket.fd), ringed.ask(socket.fd)];
      for (const name of NAMES) assert.deepEqual(found[name].copy(), expected[name].copy());
    }
  });

test("an option that was set tells a socket from a new one", (t) => {
  using ring = ringOf(t);
  if (ring === undefined) return;
  using socket = own(sys.socket(AF_INET, SOCK.SOCK_STREAM, 0));
  for (const asking of [new Asking(LISTS, undefined), new Asking(LISTS, ring)]) {
    const first = asking.ask(socket.fd);
    const usual = NAMES.map((name) => first[name].copy());
    const areUsual = () => {
      const now = asking.ask(socket.fd);
      return NAMES.map((name, index) => now[name].equals(usual[index] ?? assert.fail()));
    };
    assert.deepEqual(areUsual(), [true, true, true]);
    writeInteger(socket.fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    assert.deepEqual(areUsual(), [false, true, true]);
    writeInteger(socket.fd, SOL_TCP, TCP.NODELAY, 1);
    assert.deepEqual(areUsual(), [false, false, true]);
    writeInteger(socket.fd, SOL_TCP, TCP.NODELAY, 0);
    writeInteger(socket.fd, SOL_SOCKET, SO_KEEPALIVE, 0);
  }
});

test("more options of a socket than the ring has entries are asked for by calls", (t) => {
  using ring = ringOf(t);
  if (ring === undefined) return;
  using socket = own(sys.socket(AF_INET, SOCK.SOCK_STREAM, 0));
  const many = Array.from({ length: RING_ENTRIES + 3 }, () => ({ level: SOL_SOCKET, name: SO_TYPE }));
  const { many: part } = new Asking({ many }, ring).ask(socket.fd);
  assert.deepEqual(
    many.map((_, index) => part.integer(index)),
    many.map(() => SOCK.SOCK_STREAM),
  );
});

test("a descriptor that is none is an error, not an option that is not there", (t) => {
  using ring = ringOf(t);
  if (ring === undefined) return;
  for (const asking of [new Asking(LISTS, undefined), new Asking(LISTS, ring)]) {
    const { general: part } = asking.ask(asFd(-1));
    assert.throws(() => part.integer(0), { name: "SyscallError", errno: "EBADF" });
  }
});

test("a word beyond those that the kernel gave is not taken for a zero", () => {
  using socket = own(sys.socket(AF_INET, SOCK.SOCK_STREAM, 0));
  const { short } = new Asking({ short: [{ level: SOL_SOCKET, name: SO_TYPE, sizeBytes: 8 }] }, undefined).ask(
    socket.fd,
  );
  assert.deepEqual([short.integer(0), short.integer(0, 1)], [SOCK.SOCK_STREAM, undefined]);
});

test("sockets that are asked ahead say what each says by itself, until that is forgotten", () => {
  using scope = new Scope();
  const sockets = Array.from({ length: 70 }, () => scope.use(own(sys.socket(AF_INET, SOCK.SOCK_STREAM, 0))).fd);
  const [first = assert.fail()] = sockets;
  for (const [index, socket] of sockets.entries()) writeInteger(socket, SOL_SOCKET, SO_PRIORITY, index % 7);
  const [alone, asking] = [new Asking(LISTS, undefined), new Asking(LISTS, undefined)];
  const place = general.findIndex(({ name }) => name === SO_PRIORITY);
  const priorities = () => sockets.map((socket) => asking.ask(socket).general.integer(place));
  for (let time = 0; time < 3; time++) {
    share(asking.foresee(sockets)).finish();
    for (const socket of sockets) {
      const [expected, found] = [alone.ask(socket), asking.ask(socket)];
      for (const name of NAMES) assert.deepEqual(found[name].copy(), expected[name].copy());
    }
    const before = priorities();
    writeInteger(first, SOL_SOCKET, SO_PRIORITY, 3);
    assert.deepEqual(priorities(), before);
    asking.forget();
    assert.deepEqual(priorities(), [3, ...before.slice(1)]);
    writeInteger(first, SOL_SOCKET, SO_PRIORITY, 0);
  }
});
