// Requests that do something, over the wire and with the engine behind it.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CriuRequestError, connect, spawn } from "../../src/index.js";
import { W } from "../../src/kernel/abi/process.js";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { sys } from "../../src/kernel/syscalls.js";
import { type Program, startExecutable } from "../support/program.js";
import { startServiceIn, program as stasis } from "./running-service.js";
import { selfDump } from "./self-dump.js";

const directory = mkdtempSync(join(tmpdir(), "with-engine-"));
after(() => rmSync(directory, { recursive: true }));
let made = 0;
function newDirectory(): string {
  const path = join(directory, `images-${++made}`);
  mkdirSync(path);
  return path;
}

async function startService() {
  const service = await startServiceIn(directory, `service-${++made}`, "-v0");
  const client = connect(service.path);
  return {
    client,
    address: service.path,
    images: newDirectory,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

async function until(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    assert.ok(performance.now() < end, `it never came about that ${what}`);
    await delay(10);
  }
}

const ticking = `
import time
n = 0
while True:
    n += 1
    print("tick", n, flush=True)
    time.sleep(0.01)
`;
const startTicking = () => startExecutable("/usr/bin/python3", { arguments: ["-c", ticking], readyLine: "tick 3" });
const ticks = (program: Program) => [...program.output().matchAll(/^tick /gm)].length;

async function goesOn(program: Program): Promise<void> {
  const seen = ticks(program);
  await until("it goes on", () => ticks(program) > seen + 3);
}

test("a refused step leaves the target running, before and after the images are there", async () => {
  await using service = await startService();
  await using program = await startTicking();
  const imagesDirectory = service.images();
  const refuse = (refused: string) =>
    service.client.dump({ pid: program.pid, imagesDirectory }, { onNotify: ({ script }) => script !== refused });
  await assert.rejects(refuse("pre-dump"), /the pre-dump notification was refused/);
  assert.equal(existsSync(join(imagesDirectory, "pstree.img")), false);
  await goesOn(program);
  await assert.rejects(refuse("post-dump"), /the post-dump notification was refused/);
  assert.equal(existsSync(join(imagesDirectory, "stats-dump")), false);
  await goesOn(program);
});

test("a client that leaves while it is asked has refused", async () => {
  await using service = await startService();
  await using program = await startTicking();
  const leaving = new AbortController();
  const onNotify = ({ script }: { readonly script: string }) => {
    if (script === "post-dump") leaving.abort(new Error("left"));
    return undefined;
  };
  const call = { onNotify, signal: leaving.signal };
  await assert.rejects(service.client.dump({ pid: program.pid, imagesDirectory: service.images() }, call), {
    message: "left",
  });
  await goesOn(program);
});

test("a pid that is gone is ESRCH, one that is taken EEXIST", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(1000)"],
  });
  const imagesDirectory = service.images();
  const errnoOf = async (call: Promise<unknown>) => {
    const error: unknown = await call.catch((reason: unknown) => reason);
    return error instanceof CriuRequestError ? error.crErrno : error;
  };
  assert.equal(await errnoOf(service.client.dump({ pid: 4_194_303, imagesDirectory })), 3);
  await service.client.dump({ pid: program.pid, imagesDirectory, leaveRunning: true });
  assert.equal(await errnoOf(service.client.restore({ imagesDirectory, shellJob: true })), 17);
  assert.equal(readStat(program.pid)?.state, "S");
});

test("a program that dumps itself and runs on gets the usual answer", async () => {
  await using service = await startService();
  const images = service.images();
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", selfDump, service.address, images, "run"],
  });
  await program.waitFor("answer 080110011a020800");
  await program.waitFor("closed");
});

test("a program that dumps itself and ends finds the answer when it is restored", async () => {
  await using service = await startService();
  const images = service.images();
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", selfDump, service.address, images, "end"],
  });
  await program.gone();
  assert.equal(program.output(), "ready\n");
  await service.client.restore({ imagesDirectory: images });
  await program.waitFor("answer 080110011a020801");
  await program.waitFor("closed");
});

test("swrk restores the root as a child of its client when it is asked to", async () => {
  await using program = await startTicking();
  await using service = await startService();
  const imagesDirectory = service.images();
  await using client = spawn(stasis, { output: "inherit" });
  await client.dump({ pid: program.pid, imagesDirectory });
  await program.gone();
  const { pid } = await client.restore({ imagesDirectory, rstSibling: true });
  assert.equal(pid, program.pid);
  assert.equal(readStat(asPid(pid))?.ppid, process.pid);
  await goesOn(program);
  process.kill(pid, "SIGKILL");
  reap(asPid(pid));
});

test("swrk names the root whose pid is taken", async () => {
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(1000)"],
  });
  await using service = await startService();
  const imagesDirectory = service.images();
  await using client = spawn(stasis, { output: "inherit" });
  await client.dump({ pid: program.pid, imagesDirectory, leaveRunning: true });
  for (const rstSibling of [true, false]) {
    await assert.rejects(client.restore({ imagesDirectory, rstSibling }), {
      message: new RegExp(`Cannot restore pid ${program.pid} "python3": its pid is taken`),
    });
  }
});

/** Node knows nothing of this child. */
function reap(pid: Pid): void {
  sys.wait4(pid, null, W.__WALL, null);
}

test("the log of a failed operation ends with the sentence of its answer", async () => {
  await using service = await startService();
  const imagesDirectory = service.images();
  const failed: unknown = await service.client
    .restore({ imagesDirectory, logLevel: 4 })
    .catch((reason: unknown) => reason);
  assert.ok(failed instanceof CriuRequestError);
  const log = readFileSync(join(imagesDirectory, "criu.log"), "utf8");
  assert.ok(log.endsWith(`Error: ${failed.crErrmsg}\n`), log);
});
