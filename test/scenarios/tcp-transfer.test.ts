// A long transfer over TCP between two network namespaces: both its ends are dumped and restored in the middle, one after the other, each by
// the service of its namespace. STASIS_TRANSFER_MIB: how long.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { buildProgram, type Program, startExecutable } from "../support/program.js";
import { endingWith, roundTrip, startService } from "./round-trip.js";

const BYTES = Number(process.env["STASIS_TRANSFER_MIB"] ?? 24) << 20;
const PORT = 4711;
const here = "10.99.7.1";
const there = "10.99.7.2";
const ip = (...words: string[]) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });

/** Two namespaces that see each other. */
function namespaces() {
  const names = [`stasis-a-${process.pid}`, `stasis-b-${process.pid}`] as const;
  const [a, b] = names;
  for (const name of names) ip("netns", "add", name);
  ip("-n", a, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", b);
  for (const [name, address] of [
    [a, here],
    [b, there],
  ] as const) {
    ip("-n", name, "address", "add", `${address}/24`, "dev", "veth0");
    for (const link of ["lo", "veth0"]) ip("-n", name, "link", "set", link, "up");
  }
  return {
    names,
    [Symbol.dispose]: () => {
      for (const name of names) ip("netns", "delete", name);
    },
  };
}

const inNamespace = (name: string) => [`--net=/run/netns/${name}`];

function start(namespace: string, readyLine: string, ...words: string[]): Promise<Program> {
  const program = buildProgram("tcp-transfer");
  return startExecutable("/usr/bin/nsenter", {
    arguments: [...inNamespace(namespace), program, ...words, String(BYTES)],
    readyLine,
  });
}

test(`every byte of ${BYTES >> 20} MiB arrives once although both ends are dumped and restored in the middle`, async () => {
  using net = namespaces();
  const [a, b] = net.names;
  await using ours = await startService({ command: ["nsenter", ...inNamespace(a)] });
  await using theirs = await startService({ command: ["nsenter", ...inNamespace(b)] });
  await using receiver = await start(a, "listens", "receive", String(PORT));
  using _receiver = endingWith(receiver.pid);
  await using sender = await start(b, "", "send", here, String(PORT));
  using _sender = endingWith(sender.pid);
  await receiver.waitFor("ready");
  await roundTrip(ours, receiver.pid, { options: { tcpEstablished: true } });
  await sender.waitFor("ready");
  await roundTrip(theirs, sender.pid, { options: { tcpEstablished: true } });
  sender.signal("SIGUSR2");
  await sender.waitFor("restored", 60_000);
  const said = await receiver.waitFor("restored", 60_000);
  assert.match(said, new RegExp(`^${BYTES} bytes$`, "m"));
});
