import assert from "node:assert/strict";
import { test } from "node:test";
import { endingWith, startService } from "../../../scenarios/round-trip.js";
import { startExecutable } from "../../../support/program.js";
import { childIn } from "./shared-with-child.js";

const urgent = `
import select, signal, socket
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
listening = socket.create_server(("127.0.0.1", 0))
ours = socket.create_connection(listening.getsockname())
theirs, _ = listening.accept()
ours.send(b"before")
ours.send(b"!", socket.MSG_OOB)
select.select([], [], [theirs])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
print("urgent", theirs.recv(1, socket.MSG_OOB).decode(), flush=True)
signal.sigwait([signal.SIGUSR2])
ours.send(b" and after")
print(theirs.recv(6).decode() + theirs.recv(100).decode(), flush=True)
`;

test("urgent data that was not read is refused by name, and once it is read the connection is dumped", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", urgent] });
  using _tree = endingWith(program.pid);
  const { pid } = program;
  const dump = (imagesDirectory: string) => service.client.dump({ pid, imagesDirectory, tcpEstablished: true });
  await assert.rejects(dump(service.images()), {
    message: /urgent data \(MSG_OOB\) waits to be read; have the program read it/,
  });
  program.signal("SIGUSR1");
  await program.waitFor("urgent !");
  const imagesDirectory = service.images();
  await dump(imagesDirectory);
  await program.gone();
  await service.client.restore({ imagesDirectory, tcpEstablished: true });
  program.signal("SIGUSR2");
  await program.waitFor("before and after");
});

/**
 * In a network of its own: a client sends data with its SYN (TCP_FASTOPEN without cookies, Documentation/networking/ip-sysctl.rst), so that the
 * child, which is the server, can accept a connection whose handshake is not over. It is not before SIGUSR1: what the server answers is dropped.
 */
const midway = `
import os, signal, socket, subprocess, sys
TCP_SYN_RECV = 3
server = """if True:
    import os, signal, socket
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    listening = socket.create_server(("127.0.0.1", 4000))
    os.write(%d, b"listens")
    os.close(%d)
    accepted, _ = listening.accept()
    print("child", os.getpid())
    print("state", accepted.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 1)[0])
    print("ready", flush=True)
    signal.sigwait([signal.SIGUSR2])
    print(accepted.recv(5).decode() + accepted.recv(100).decode(), flush=True)
"""
rule = ["INPUT", "-p", "tcp", "--sport", "4000", "-j", "DROP"]
iptables = lambda command: subprocess.run(["iptables-legacy", command] + rule, check=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
open("/proc/sys/net/ipv4/tcp_fastopen", "w").write(str(0x1 | 0x2 | 0x4 | 0x200 | 0x400))
iptables("-A")
told, tell = os.pipe()
subprocess.Popen([sys.executable, "-c", server % (tell, tell)], pass_fds=[tell], start_new_session=True)
os.read(told, 7)
ours = socket.socket()
ours.setblocking(False)
try: ours.sendto(b"early", socket.MSG_FASTOPEN, ("127.0.0.1", 4000))
except BlockingIOError: pass
signal.sigwait([signal.SIGUSR1])
iptables("-D")
ours.setblocking(True)
ours.send(b" and late")
print("sent", flush=True)
signal.sigwait([signal.SIGUSR2])
`;

test("a connection that is being made is refused by name, and goes on to be made", async () => {
  await using program = await startExecutable("/usr/bin/unshare", {
    arguments: ["--net", "/usr/bin/python3", "-c", midway],
  });
  using _tree = endingWith(program.pid);
  const child = childIn(program.output());
  assert.match(program.output(), /^state 3$/m);
  await using service = await startService({ command: ["nsenter", `--net=/proc/${program.pid}/ns/net`] });
  const dump = (imagesDirectory: string) =>
    service.client.dump({ pid: child, imagesDirectory, tcpEstablished: true, leaveRunning: true });
  await assert.rejects(dump(service.images()), {
    message: /its connection is being made \(TCP_SYN_RECV\); dump a moment later/,
  });
  program.signal("SIGUSR1");
  await program.waitFor("sent");
  await dump(service.images());
  process.kill(child, "SIGUSR2");
  await program.waitFor("early and late");
});
