import assert from "node:assert/strict";
import { test } from "node:test";
import { IPPROTO } from "../../src/kernel/abi/in.js";
import { packetOf } from "../../src/kernel/udp-packet.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const at = (port: number, ...bytes: readonly number[]) => ({ bytes: Uint8Array.from(bytes), port, scope: 0 });
const loopback6 = [...new Array<number>(15).fill(0), 1];

test("a packet over IPv4 has its addresses, ports, length and checksum", () => {
  const packet = packetOf({
    protocol: IPPROTO.UDP,
    source: at(1234, 127, 0, 0, 1),
    destination: at(53, 127, 0, 0, 2),
    data: Buffer.from("abc"),
  });
  // 7f00+0001 + 7f00+0002 + 000b + 0011 + 04d2+0035 + 000b + 6162+6300 = 1c793, folded c794, its complement.
  assert.equal(hex(packet), "4500001f00000000401100007f0000017f00000204d20035000b386b616263");
});

test("one over IPv6, too, and of UDP-Lite the checksum is over everything", () => {
  const packet = packetOf({
    protocol: IPPROTO.UDPLITE,
    source: at(1, ...loopback6),
    destination: at(2, ...loopback6),
    data: new Uint8Array(),
  });
  // 0001 + 0001 + 0008 + 0088 + 0001+0002 + 0000 = 0095, its complement.
  assert.equal(hex(packet), `6000000000088840${"00".repeat(15)}01${"00".repeat(15)}01000100020000ff6a`);
});
