import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { CriuNetworkLockMethod } from "../../../../src/protocol/gen/rpc_pb.js";
import { endingWith, startService } from "../../../scenarios/round-trip.js";
import { startExecutable } from "../../../support/program.js";

const talking = `
import signal, socket
ends = []
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    listening = socket.create_server((address, 0), family=family)
    ours = socket.create_connection(listening.getsockname()[:2])
    ends.append((ours, listening.accept()[0]))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
print("ports", *(ours.getsockname()[1] for ours, theirs in ends))
print("ready", flush=True)
signal.sigwait([signal.SIGUSR2])
for ours, theirs in ends:
    ours.send(b"over the network")
    print(theirs.recv(100).decode(), flush=True)
print("restored", flush=True)
`;
const startTalking = () => startExecutable("/usr/bin/python3", { arguments: ["-c", talking] });
const portsOf = (output: string) => (/^ports (.*)$/m.exec(output)?.[1] ?? "").split(" ");
const rules = () =>
  ["iptables-legacy-save", "ip6tables-legacy-save"].map((tool) => execFileSync(tool, { encoding: "utf8" }));

test("with --network-lock iptables, rules of both families hold the network closed from the dump to the restore", async () => {
  await using service = await startService();
  await using program = await startTalking();
  using _tree = endingWith(program.pid);
  const ports = portsOf(program.output());
  const imagesDirectory = service.images();
  const networkLock = CriuNetworkLockMethod.IPTABLES;
  await service.client.dump({ pid: program.pid, imagesDirectory, tcpEstablished: true, networkLock });
  await program.gone();
  for (const [family, text] of rules().entries())
    for (const end of ["sport", "dport"])
      assert.match(text, new RegExp(`-A (INPUT|OUTPUT) .*--${end} ${ports[family]} .*-j DROP`));
  await service.client.restore({ imagesDirectory, tcpEstablished: true });
  for (const [family, text] of rules().entries()) assert.doesNotMatch(text, new RegExp(`port ${ports[family]} `));
  program.signal("SIGUSR2");
  await program.waitFor("restored");
  assert.equal(program.output().match(/^over the network$/gm)?.length, 2);
});

test("where iptables is asked for and not installed, the dump is refused and the connections work on", async () => {
  await using service = await startService({ command: ["/usr/bin/env", "PATH=/nowhere", process.execPath] });
  await using program = await startTalking();
  const networkLock = CriuNetworkLockMethod.IPTABLES;
  const imagesDirectory = service.images();
  await assert.rejects(service.client.dump({ pid: program.pid, imagesDirectory, tcpEstablished: true, networkLock }), {
    message: /iptables was asked for, and iptables is not installed; install it, or use --network-lock nftables/,
  });
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
