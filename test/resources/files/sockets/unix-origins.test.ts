import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SocketCredentialsSchema } from "../../../../src/images/format/entries.js";
import { AF_UNIX, SOCK } from "../../../../src/kernel/abi/socket.js";
import { prepared } from "../../../../src/kernel/batch.js";
import { asFd } from "../../../../src/kernel/brand.js";
import { own } from "../../../../src/kernel/own-fd.js";
import { peerCredentials } from "../../../../src/kernel/packets.js";
import { Origins } from "../../../../src/resources/files/sockets/unix-origins.js";

test("a pid that another process has is told, and the connection is made all the same", () => {
  const told: string[] = [];
  const nothing = () => undefined;
  const log = { error: nothing, info: nothing, debug: nothing, warn: (text: string) => void told.push(text) };
  const ends = new Int32Array(2);
  const credentials = create(SocketCredentialsSchema, { pid: process.pid, uid: 1000, gid: 1001 });
  const pair = prepared.socketpair(AF_UNIX, SOCK.SOCK_STREAM | SOCK.SOCK_CLOEXEC, 0, new Uint8Array(ends.buffer));
  new Origins(log).callAs(credentials, [pair]);
  const [one = -1, other = -1] = ends;
  using first = own(asFd(one));
  using _second = own(asFd(other));
  assert.equal(peerCredentials(first.fd).pid, process.pid);
  assert.equal(told.length, 1);
  assert.match(
    told[0] ?? "",
    new RegExp(`^SO_PEERCRED of a unix socket names stasis, not process ${process.pid}: .*EEXIST`),
  );
});
