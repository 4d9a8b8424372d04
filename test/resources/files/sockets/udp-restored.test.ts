import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  InetEndpointSchema,
  InetSkEntrySchema,
  SkOptsEntrySchema,
  SkPacketEntrySchema,
} from "../../../../src/images/format/entries.js";
import { AF_INET, IPPROTO } from "../../../../src/kernel/abi/in.js";
import { SOCK } from "../../../../src/kernel/abi/socket.js";
import { askOptions } from "../../../../src/kernel/asked-options.js";
import { addressesIn, bindToAddress, endsOf } from "../../../../src/kernel/inet-address.js";
import { own } from "../../../../src/kernel/own-fd.js";
import { sys } from "../../../../src/kernel/syscalls.js";
import { wordsOf } from "../../../../src/resources/files/sockets/inet-entry.js";
import { deliverAgain } from "../../../../src/resources/files/sockets/udp-restored.js";

const loopback = (port: number) => ({ bytes: Uint8Array.of(127, 0, 0, 1), port, scope: 0 });

function delivered(count: number, portOf: (real: number) => number): string[] {
  const told: string[] = [];
  const nothing = () => undefined;
  const log = { error: nothing, info: nothing, debug: nothing, warn: (text: string) => void told.push(text) };
  using socket = own(sys.socket(AF_INET, SOCK.SOCK_DGRAM | SOCK.SOCK_CLOEXEC, 0));
  bindToAddress(socket.fd, loopback(0));
  const srcPort = portOf(addressesIn(askOptions(socket.fd, endsOf(AF_INET))).local?.port ?? 0);
  const entry = create(InetSkEntrySchema, {
    ...{ family: AF_INET, type: SOCK.SOCK_DGRAM, proto: IPPROTO.UDP, srcPort, srcAddr: wordsOf(loopback(0)) },
    opts: create(SkOptsEntrySchema),
  });
  // An address of a network for documentation, RFC 5737: nobody here has it.
  const source = create(InetEndpointSchema, { address: Uint8Array.of(192, 0, 2, 1), port: 9 });
  const message = { entry: create(SkPacketEntrySchema, { length: 0, source }), data: new Uint8Array() };
  deliverAgain(
    socket.fd,
    entry,
    Array.from({ length: count }, () => message),
    log,
  );
  return told;
}

test("every datagram arrives, also an empty one, of an address that this machine does not have", () => {
  assert.deepEqual(
    delivered(3, (port) => port),
    [],
  );
});

test("datagrams that do not arrive are counted in the log", () => {
  const [said = ""] = delivered(2, () => 1);
  assert.equal(said, "2 of 2 datagrams that waited at 127.0.0.1:1 are lost: they cannot be sent to it once more");
});
