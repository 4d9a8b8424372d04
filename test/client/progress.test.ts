// Long work says how far it is: to a client as events, on a terminal as a bar, and elsewhere not at all.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readProgress } from "../../src/client/progress.js";
import { CriuRequestError, connect, type Progress, spawn } from "../../src/index.js";
import { startServiceIn, program as stasis } from "../service/running-service.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";

const { directory, images } = placeFor("progress");
/** The vdso of the dump is in the images, and of use only on another kernel. */
const VDSO_BYTES = 16384;
const MUCH_BYTES = 96 << 20;
const startLarge = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", `import time; kept = b"x" * ${MUCH_BYTES}; print("ready", flush=True); time.sleep(100000)`],
  });

function checkEvents(events: readonly Progress[], operation: string, bytes: number): void {
  assert.ok(events.length >= 2, `${events.length} events`);
  let last = 0;
  for (const event of events) {
    assert.equal(event.operation, operation);
    assert.ok(event.doneBytes >= last, "it goes forward");
    assert.ok(event.doneBytes <= event.totalBytes, JSON.stringify(event));
    last = event.doneBytes;
  }
  const { doneBytes, totalBytes } = events.at(-1) ?? { doneBytes: 0, totalBytes: -1 };
  assert.equal(doneBytes, totalBytes, "at the end all of it is done");
  assert.ok(bytes - doneBytes <= VDSO_BYTES, `${doneBytes} of ${bytes}`);
}

test("a dump and a restore tell a client of every tenth of a second, and of their end", async () => {
  await using service = await startServiceIn(directory, "events", "-v0");
  await using program = await startLarge();
  await using client = connect(service.path);
  const imagesDirectory = images();
  const dumped: Progress[] = [];
  await client.dump({ pid: program.pid, imagesDirectory }, { onProgress: (event) => dumped.push(event) });
  await program.gone();
  const pages = readdirSync(imagesDirectory).filter((name) => name.startsWith("pages-"));
  const bytes = pages.reduce((sum, name) => sum + statSync(join(imagesDirectory, name)).size, 0);
  assert.ok(bytes >= MUCH_BYTES);
  checkEvents(dumped, "dump", bytes);
  const restored: Progress[] = [];
  await client.restore({ imagesDirectory }, { onProgress: (event) => restored.push(event) });
  checkEvents(restored, "restore", bytes);
});

test("what the callback throws is what the call rejects with; a descriptor that is not there is refused", async () => {
  await using client = spawn(stasis);
  await using program = await startLarge();
  const options = { pid: program.pid, imagesDirectory: images(), leaveRunning: true };
  const onProgress = () => {
    throw new RangeError("enough");
  };
  await assert.rejects(client.dump(options, { onProgress }), { message: "enough" });
  await assert.rejects(client.dump({ ...options, progressFd: 999 }), (error) => {
    assert.ok(error instanceof CriuRequestError);
    assert.equal(error.crErrmsg, "Cannot use option progress_fd: the client has no such descriptor open");
    return true;
  });
});

test("anything else than progress is an error", () => {
  const good = { operation: "dump", doneBytes: 1, totalBytes: 2 };
  assert.deepEqual(readProgress(Buffer.from(`${JSON.stringify(good)}\n`)), good);
  for (const bad of ["", "{", "null", "7", '{"operation":"dump"}', JSON.stringify({ ...good, doneBytes: -1 })])
    assert.throws(() => readProgress(Buffer.from(bad)), { name: "ConnectionClosed" });
});

const inTerminal = `
import os, pty, sys
output = []
def read(fd):
    data = os.read(fd, 65536)
    output.append(data)
    return data
status = pty.spawn(sys.argv[1:], read)
sys.exit(os.waitstatus_to_exitcode(status))
`;

test("on a terminal there is a bar with bytes, rate and time left, and nothing where there is no terminal", async () => {
  await using program = await startLarge();
  const dump = () => [stasis, "dump", "-t", String(program.pid), "-D", images(), "-R", "-v0"];
  const shown = spawnSync("python3", ["-c", inTerminal, ...dump()], { encoding: "utf8" });
  assert.equal(shown.status, 0, shown.stdout);
  assert.match(shown.stdout, /dump \[.*\] \d+% \d+(\.\d)? (bytes|MiB) of \d+ MiB, \d+(\.\d)? \w+\/s, (\d+ s|\?) left/);
  const [file = "", ...args] = dump();
  const piped = spawnSync(file, args, { encoding: "utf8" });
  assert.deepEqual([piped.status, piped.stdout, piped.stderr], [0, "", ""]);
});
