// The examples in docs/examples run, and say what they are to say.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "../../src/index.js";
import { startServiceIn, program as stasis } from "../service/running-service.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const { directory, images } = placeFor("examples");
const run = promisify(execFile);

const startSleeping = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(100000)"],
  });

async function linesOf(example: string, ...args: readonly (string | number)[]): Promise<string[]> {
  const { stdout } = await run(
    process.execPath,
    [join(root, `dist/docs/examples/${example}.js`), ...args.map(String)],
    {
      timeout: 60_000,
    },
  );
  return stdout.trimEnd().split("\n");
}

const examples: Readonly<Record<string, (name: string) => Promise<void>>> = {
  async "dump-and-restore"(name) {
    await using service = await startServiceIn(directory, name, "-v0");
    await using program = await startSleeping();
    const { pid } = program;
    const lines = await linesOf(name, service.path, pid, images());
    const [dumped = ""] = lines.splice(3, 1);
    const [, done, all] = /^dumped, (\d+) of (\d+) bytes$/.exec(dumped) ?? [];
    assert.ok(done !== undefined && done === all && Number(done) > 0, dumped);
    assert.deepEqual(lines, [
      ...["pre-dump", "query-ext-files", "post-dump"],
      ...["pre-restore", `post-restore, the root is ${pid}`, "pre-resume", "post-resume", `restored as ${pid}`],
    ]);
  },
  async "keep-running"(name) {
    await using service = await startServiceIn(directory, name, "-v0");
    await using program = await startSleeping();
    const place = images();
    const lines = await linesOf(name, service.path, program.pid, place, 5, 0);
    assert.deepEqual(lines, ["copy 1", "copy 2", "copy 3", "copy 4", "copy 5"]);
    assert.deepEqual(readdirSync(place).toSorted(), ["3", "4", "5"]);
    assert.ok(existsSync(join(place, "5/inventory.img")));
  },
  async "when-it-fails"(name) {
    await using service = await startServiceIn(directory, name, "-v0");
    await using program = await startSleeping();
    assert.deepEqual(await linesOf(name, service.path, program.pid, images()), ["dumped"]);
    assert.deepEqual(await linesOf(name, service.path, 4_194_303, images()), [
      "there is no such process, or it cannot be stopped",
      'Cannot freeze pid 4194303 "?": no such process; name a process that is running',
    ]);
    assert.match((await linesOf(name, "/nowhere", 1, images())).join(), /^nobody serves there: .*ENOENT$/);
  },
  async "child-of-ours"(name) {
    await using service = await startServiceIn(directory, name, "-v0");
    await using program = await startSleeping();
    const imagesDirectory = images();
    await connect(service.path).dump({ pid: program.pid, imagesDirectory });
    await program.gone();
    const [version, restored] = await linesOf(name, stasis, imagesDirectory);
    assert.match(version ?? "", /^version 4\.2 stasis /);
    assert.equal(restored, `restored as ${program.pid}, a child of ours`);
  },
  async "look-into-images"(name) {
    await using service = await startServiceIn(directory, name, "-v0");
    await using program = await startSleeping();
    const { pid } = program;
    const imagesDirectory = images();
    await connect(service.path).dump({ pid, imagesDirectory, leaveRunning: true });
    const lines = await linesOf(name, imagesDirectory);
    assert.deepEqual(lines.slice(0, 5), [
      "a whole dump",
      `pid ${pid}, child of 0: python3, 1 threads`,
      "  0: /dev/null",
      `  1: ${join(program.directory, "output")}`,
      `  2: ${join(program.directory, "output")}`,
    ]);
    assert.match(lines[5] ?? "", /^ {2}[1-9]\d{5,} bytes of memory$/);
    assert.deepEqual(lines.slice(6), [`images in ${imagesDirectory}`]);
  },
};

for (const [name, check] of Object.entries(examples)) test(`docs/examples/${name}.ts`, () => check(name));

test("every example has a test", () => {
  const names = readdirSync(join(root, "docs/examples")).map((file) => file.replace(/\.ts$/, ""));
  assert.deepEqual(names.toSorted(), Object.keys(examples).toSorted());
});
