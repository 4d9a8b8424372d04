import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseBuildId, readBuildId, showBuildId } from "../../../src/resources/files/regular/build-id.js";
import { startService } from "../../scenarios/round-trip.js";
import { buildProgram, startExecutable } from "../../support/program.js";

test("the build id of a program is the one that readelf shows", () => {
  const program = buildProgram("idle");
  const [, shown] = /Build ID: ([0-9a-f]+)/.exec(execFileSync("readelf", ["-n", program], { encoding: "utf8" })) ?? [];
  assert.equal(showBuildId(readBuildId(program)), shown);
  assert.deepEqual(readBuildId("/etc/passwd"), []);
  assert.deepEqual(readBuildId("/nowhere"), []);
});

test("whatever a file holds, it has a build id within its bounds or none", () => {
  const start = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  const elf = fc.uint8Array({ minLength: 58, maxLength: 400 }).map((rest) => Buffer.concat([start, rest]));
  fc.assert(fc.property(elf, (file) => (parseBuildId(file)?.byteLength ?? 0) <= file.byteLength));
});

test("a program that was built anew with the same size is refused, unless sizes are all that counts", async () => {
  const directory = mkdtempSync(join(tmpdir(), "build-id-"));
  const path = join(directory, "worker");
  try {
    const source = (what: string) =>
      `#include <unistd.h>\nint main(void) { write(1, "ready\\n", 6); for (;;) pause(); }\nint unused(void) { return ${what}; }\n`;
    const compile = (what: string) => {
      writeFileSync(join(directory, "worker.c"), source(what));
      rmSync(path, { force: true });
      execFileSync("gcc", ["-Wl,--build-id", "-o", path, join(directory, "worker.c")]);
    };
    compile("1");
    await using service = await startService();
    await using program = await startExecutable(path);
    const imagesDirectory = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory });
    await program.gone();
    copyFileSync(path, `${path}.kept`);
    const sizeBytes = statSync(path).size;
    compile("2");
    assert.equal(statSync(path).size, sizeBytes);
    await assert.rejects(
      service.client.restore({ imagesDirectory }),
      /worker.*its build id is [0-9a-f]{40} now, and was [0-9a-f]{40}/,
    );
    truncateSync(path, sizeBytes - 1);
    await assert.rejects(service.client.restore({ imagesDirectory }), /worker.*bytes now, and had/);
    rmSync(path);
    await assert.rejects(service.client.restore({ imagesDirectory }), /worker.*it is gone/);
    copyFileSync(`${path}.kept`, path);
    await service.client.restore({ imagesDirectory });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
