import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { bindTo, connectTo, listenOn, newSocket } from "../../src/kernel/packets.js";
import { listenAt } from "../../src/service/listen.js";

const directory = mkdtempSync(join(tmpdir(), "listen-"));
after(() => rmSync(directory, { recursive: true }));
const place = (name: string) => join(directory, name);

test("a socket has the wanted mode, takes connections, and is gone at the end", () => {
  const path = place("mode");
  {
    using _listening = listenAt(path, 0o660);
    assert.equal(statSync(path).mode & 0o7777, 0o660);
    using client = newSocket();
    connectTo(client.fd, path);
  }
  assert.equal(existsSync(path), false);
});

test("a socket that nobody listens on is replaced", () => {
  const path = place("stale");
  const dead = newSocket();
  bindTo(dead.fd, path);
  dead[Symbol.dispose]();
  using _listening = listenAt(path, 0o600);
  using client = newSocket();
  connectTo(client.fd, path);
});

test("a socket that somebody listens on is left alone", () => {
  const path = place("alive");
  using other = newSocket();
  bindTo(other.fd, path);
  listenOn(other.fd);
  assert.throws(() => listenAt(path, 0o600), /another service listens there; stop it, or choose another --address/);
  using client = newSocket();
  connectTo(client.fd, path);
});

test("a file that is no socket is left alone", () => {
  const path = place("file");
  writeFileSync(path, "precious");
  assert.throws(() => listenAt(path, 0o600), /something that is no socket is there/);
  assert.equal(readFileSync(path, "utf8"), "precious");
  assert.throws(() => listenAt(directory, 0o600), /something that is no socket is there/);
});

test("a path that is too long is refused and not cut", () => {
  assert.throws(() => listenAt(place("x".repeat(120)), 0o600), /a socket's has 1 to 107; choose a shorter --address/);
  assert.throws(() => listenAt("", 0o600), { code: "IO_FAILED" });
  assert.throws(() => listenAt(place("missing/socket"), 0o600), /the kernel says ENOENT/);
});

test("a socket that took the place of ours is not removed", () => {
  const path = place("taken");
  const listening = listenAt(path, 0o600);
  rmSync(path);
  using _later = listenAt(path, 0o600);
  listening[Symbol.dispose]();
  assert.equal(existsSync(path), true);
});
