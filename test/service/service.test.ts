// The service as a process of its own: start, malformed input, end.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../src/index.js";
import { connectTo, newSocket, receivePacket, sendPacket } from "../../src/kernel/packets.js";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { decodeResponse } from "../../src/protocol/response.js";
import { program, startServiceIn } from "./running-service.js";

const directory = mkdtempSync(join(tmpdir(), "service-"));
after(() => rmSync(directory, { recursive: true }));

const startService = (name: string, ...more: string[]) => startServiceIn(directory, name, ...more);

const childrenOf = (pid: number | undefined) => {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter((word) => word !== "");
};

test("the service answers, and ends on SIGTERM with nothing left of it", async () => {
  const pidfile = join(directory, "pid");
  await using service = await startService("clean", "--pidfile", pidfile);
  assert.equal(readFileSync(pidfile, "utf8"), String(service.process.pid));
  await using client = connect(service.path);
  assert.equal((await client.version()).majorNumber, 4);
  const workers = childrenOf(service.process.pid);
  assert.ok(workers.length >= 1);
  assert.equal(await service.stop("SIGTERM"), 0);
  assert.equal(existsSync(service.path), false);
  assert.equal(existsSync(pidfile), false);
  for (const pid of workers) assert.equal(existsSync(`/proc/${pid}`), false, `worker ${pid}`);
});

test("three hundred malformed messages and leavings later it still answers", async () => {
  await using service = await startService("malformed", "--workers", "4", "-v0");
  const messages = ["", "ff", "08", "080a00", "0801", "0802", "0863", "1202ffff", "ff".repeat(5000)].map((text) =>
    Buffer.from(text, "hex"),
  );
  for (let round = 0; round < 300; round++) {
    using socket = newSocket();
    connectTo(socket.fd, service.path);
    const message = messages[round % messages.length];
    if (message !== undefined && round % 10 !== 9) sendPacket(socket.fd, message);
    if (round % 3 === 0 && round % 10 !== 9) receivePacket(socket.fd, 4096);
  }
  await using client = connect(service.path);
  assert.equal((await client.version({ timeoutMs: 20_000 })).majorNumber, 4);
});

test("who is refused again and again does not cost the service a worker each time", async () => {
  await using service = await startService("refusing", "--workers", "1", "-v0");
  await using client = connect(service.path);
  const imagesDirectory = mkdtempSync(join(directory, "none-"));
  const workers = new Set<string>();
  const see = () => {
    for (const pid of childrenOf(service.process.pid)) workers.add(pid);
  };
  see();
  for (let round = 0; round < ROUNDS; round++) {
    await assert.rejects(client.dump({ pid: NOBODY, imagesDirectory }), { message: /no such process/ });
    await assert.rejects(client.restore({ imagesDirectory }), { message: /it has no inventory.img/ });
    see();
  }
  assert.ok(workers.size < ROUNDS, `${workers.size} workers for ${2 * ROUNDS} requests`);
});
const ROUNDS = 12;
/** Above every pid: PID_MAX_LIMIT of include/linux/threads.h. */
const NOBODY = 4_194_304;

test("a client that says nothing holds up nobody else", async () => {
  await using service = await startService("idle", "--workers", "2");
  const idle = Array.from({ length: 4 }, () => newSocket());
  for (const socket of idle) connectTo(socket.fd, service.path);
  await using client = connect(service.path);
  assert.equal((await client.version({ timeoutMs: 20_000 })).majorNumber, 4);
  for (const socket of idle) socket[Symbol.dispose]();
});

test("no more clients are served at once than --max-connections says; the next one waits for its turn", async () => {
  await using service = await startService("most", "--workers", "1", "--max-connections", "2", "-v0");
  // They say nothing, and each has a worker.
  const holding = Array.from({ length: 2 }, () => newSocket());
  for (const socket of holding) connectTo(socket.fd, service.path);
  const end = performance.now() + 20_000;
  const serving = () => childrenOf(service.process.pid).length;
  while (serving() !== 2 && performance.now() < end) await delay(20);
  await using client = connect(service.path);
  let answered = false;
  const third = client.version({ timeoutMs: 60_000 }).then(() => {
    answered = true;
  });
  await delay(500);
  assert.deepEqual([serving(), answered], [2, false]);
  holding[0]?.[Symbol.dispose]();
  await third;
  holding[1]?.[Symbol.dispose]();
});

test("action scripts of the service hear that it is ready; one that fails ends the start", async () => {
  const told = join(directory, "told");
  const script = join(directory, "script");
  writeFileSync(script, `#!/bin/sh\necho "$CRTOOLS_SCRIPT_ACTION" >> ${told}\n`);
  chmodSync(script, 0o755);
  await using _service = await startService("scripted", "-v0", "--action-script", script);
  assert.equal(readFileSync(told, "utf8"), "status-ready\n");
  const address = join(directory, "refused.socket");
  const args = ["service", "-v0", "--address", address, "--action-script", "/bin/false"];
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.deepEqual([status, existsSync(address)], [1, false]);
  assert.match(stderr, /an action script refused status-ready; have the script end with status 0\n$/);
});

test("another user is told that they may not, in the answer to what they asked", async () => {
  await using service = await startService("stranger", "-v0");
  chmodSync(directory, 0o755);
  const ask = (request: string) => {
    const code = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(bytes.fromhex(sys.argv[2]))
sys.stdout.write(s.recv(4096).hex())`;
    const { stdout, stderr } = spawnSync("python3", ["-c", code, service.path, request], {
      uid: 65534,
      gid: 65534,
      encoding: "utf8",
    });
    assert.equal(stderr, "");
    return decodeResponse(Buffer.from(stdout, "hex"));
  };
  const { type, success, crErrno, crErrmsg } = ask("0801120408011001");
  assert.deepEqual([type, success, crErrno], [CriuReqType.DUMP, false, 13]);
  assert.equal(
    crErrmsg,
    "Cannot serve request DUMP: it comes from user 65534; ask as root, or as the user who runs the service",
  );
  assert.equal(ask("080a").success, false);
});

test("workers that wait end with a service that is killed, and another one takes the place of its socket", async () => {
  const service = await startService("killed");
  const workers = childrenOf(service.process.pid);
  assert.equal(await service.stop("SIGKILL"), null);
  assert.equal(existsSync(service.path), true);
  const end = performance.now() + 5000;
  while (workers.some((pid) => existsSync(`/proc/${pid}`)) && performance.now() < end) await delay(20);
  for (const pid of workers) assert.equal(existsSync(`/proc/${pid}`), false, `worker ${pid}`);
  await using again = await startService("killed");
  await using client = connect(again.path);
  await client.version();
});

test("a service in the background is ready when its command ends", async () => {
  const path = join(directory, "daemon.socket");
  const pidfile = join(directory, "daemon.pid");
  const { status, stderr } = spawnSync(program, ["service", "-d", "--address", path, "--pidfile", pidfile], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const pid = Number(readFileSync(pidfile, "utf8"));
  await using client = connect(path);
  await client.version();
  process.kill(pid, "SIGTERM");
  const end = performance.now() + 5000;
  while (existsSync(path) && performance.now() < end) await delay(20);
  assert.equal(existsSync(path), false);
});

test("what makes a start impossible is one sentence and status 1", () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  const attempts: [string[], RegExp][] = [
    [["--address", file], /^Cannot listen on ".*\/file": something that is no socket is there; remove it/],
    [["-W", "/nowhere"], /^Cannot use option work-dir: "\/nowhere" cannot be opened as a directory: ENOENT/],
    [["--address", join(directory, "x"), "--pidfile", file], /^Cannot write the pid file ".*": it exists already/],
    [["--socket-mode", "rw"], /^Cannot start with option socket-mode: "rw" is no mode/],
    [["-d", "--address", file], /something that is no socket is there/],
  ];
  for (const [args, sentence] of attempts) {
    const { status, stderr } = spawnSync(program, ["service", ...args], { encoding: "utf8", cwd: directory });
    assert.equal(status, 1);
    assert.match(stderr, sentence);
  }
  assert.deepEqual(
    readdirSync(directory).filter((name) => name === "x"),
    [],
    "the socket of a service that did not start",
  );
});
