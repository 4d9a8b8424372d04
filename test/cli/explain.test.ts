// `stasis explain`: what a dump would say and make, said while the tree runs on.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openImages } from "../../src/images/library.js";
import type { Explanation } from "../../src/operations/explain.js";
import { program as stasis } from "../service/running-service.js";
import { kernelView } from "../support/kernel-view.js";
import { type Program, startExecutable, startProgram } from "../support/program.js";

const directory = mkdtempSync(join(tmpdir(), "explain-"));
after(() => rmSync(directory, { recursive: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(stasis, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}
function explained(pid: number, ...more: string[]): Explanation & { readonly status: number | null } {
  const { status, stdout, stderr } = run("explain", String(pid), "--json", ...more);
  assert.notEqual(stdout, "", stderr);
  return { status, ...JSON.parse(stdout) };
}
let made = 0;
function dumped(pid: number, ...more: string[]) {
  const images = join(directory, `images-${++made}`);
  mkdirSync(images);
  return { images, ...run("dump", "-t", String(pid), "-D", images, "-R", "-v1", ...more) };
}

const holding = `
import array, mmap, os, socket, time
private = bytearray(os.urandom(8 << 20))
shared = mmap.mmap(-1, 4 << 20)
shared.write(os.urandom(4 << 20))
listening = socket.socket(); listening.bind(("127.0.0.1", 0)); listening.listen()
pair = socket.socketpair()
pipe = os.pipe()
if os.fork() == 0:
    while True: time.sleep(1000)
print("ready", flush=True)
while True: time.sleep(1000)
`;

test("tasks, files, sockets and the size are those of the dump that follows; nothing is changed", async () => {
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", holding] });
  const earlier = kernelView(program.pid);
  const said = explained(program.pid);
  assert.deepEqual(kernelView(program.pid), earlier);
  assert.deepEqual([said.status, said.obstacles], [0, []]);
  const { images, status, stderr } = dumped(program.pid);
  assert.equal(status, 0, stderr);
  const opened = openImages(images);
  assert.deepEqual(
    said.tasks.map(({ pid }) => pid),
    opened.entries("pstree").map(({ pid }) => pid),
  );
  const counted = (type: string) => said.files.find((one) => one.type === type)?.count;
  assert.deepEqual([counted("PIPE"), counted("UNIXSK"), counted("INETSK")], [2, 2, 1]);
  assert.deepEqual(said.sockets.map(({ type, kind, state }) => `${type} ${kind} ${state}`).sort(), [
    "INET stream listening",
    "UNIX stream connected",
    "UNIX stream connected",
  ]);
  const written = readdirSync(images).reduce((sum, file) => sum + statSync(join(images, file)).size, 0);
  assert.ok(Math.abs(said.imageBytes / written - 1) < 0.05, `${said.imageBytes} said, ${written} written`);
  assert.ok(said.sharedMemoryBytes >= 4 << 20, String(said.sharedMemoryBytes));
});

test("for people it is text, and what it does not see is said", async () => {
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", holding] });
  const { status, stdout } = run("explain", String(program.pid));
  assert.equal(status, 0);
  assert.match(stdout, /^2 processes, images of about \d+(\.\d)? MiB\n/);
  assert.match(stdout, /INET stream, listening, 127\.0\.0\.1:\d+\n/);
  assert.match(stdout, /Nothing that can be seen from outside would stop a dump\.\nNot seen while it runs: /);
});

for (const what of ["perf", "ring", "userfault", "watched", "bpf", "memory", "traced"]) {
  test(`what would stop a dump is said in its words: ${what}`, async (t) => {
    await using program: Program = await startProgram("refused", { arguments: [what], readyLine: "" });
    const end = performance.now() + 10_000;
    while (!/^(ready|unavailable)$/m.test(program.output()) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 5));
    if (program.output() !== "ready\n") return t.skip("this machine does not have it");
    const said = explained(program.pid);
    const { status, stderr } = dumped(program.pid);
    assert.notEqual(status, 0);
    assert.equal(said.status, 1);
    const sentence = stderr.replace(/^Error: /, "").trim();
    assert.ok(said.obstacles.includes(sentence), `${sentence}\nis none of\n${said.obstacles.join("\n")}`);
  });
}

test("all obstacles are said, not the first one alone; options take them away", async () => {
  const locked = `
import fcntl, os, time
gone = open("gone", "w+"); gone.write("x" * (2 << 20)); gone.flush(); os.unlink("gone")
lock = open("lock", "w"); fcntl.flock(lock, fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(100000)
`;
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", locked] });
  const { obstacles } = explained(program.pid);
  assert.equal(obstacles.length, 2, obstacles.join("\n"));
  assert.match(obstacles.join("\n"), /pass --ghost-limit \d+/);
  assert.match(obstacles.join("\n"), /pass --file-locks/);
  assert.deepEqual(explained(program.pid, "--file-locks", "--ghost-limit", "4M").obstacles, []);
});

test("a process that is not there is one sentence and status 1", () => {
  const { status, stderr, stdout } = run("explain", "4194303");
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^Error: Cannot freeze pid 4194303/);
  assert.match(run("explain").stderr, /^usage: stasis explain PID/);
});
