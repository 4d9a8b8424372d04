// A program comes to a kernel with another vdso. There is one kernel here, so the vdso in the images is made another one's.
import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { ImageDirectory } from "../../../src/images/directory.js";
import { VmaStatus } from "../../../src/images/format/numbers.js";
import { asPid } from "../../../src/kernel/brand.js";
import { ElfFormatError, exportedFunctions } from "../../../src/kernel/elf.js";
import { readMaps } from "../../../src/kernel/proc/maps.js";
import { SavedVdsos } from "../../../src/resources/memory/vdso.js";
import { standIn } from "../../../src/resources/memory/vdso-stand-in.js";
import { TargetMemory } from "../../../src/tracee/memory.js";
import { endingWith, startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";

const INT3 = 0xcc;

function ownVdso(): Uint8Array {
  const vdso = readMaps(asPid(process.pid)).find(({ path }) => path === "[vdso]");
  assert.ok(vdso !== undefined);
  using memory = new TargetMemory(asPid(process.pid));
  return memory.read(vdso.start, Number(vdso.end - vdso.start));
}

/** Overwrites all code but the first bytes of each function: whoever runs it is killed by SIGTRAP. */
function spoil(imagesDirectory: string, pid: number): void {
  const { images } = ImageDirectory.open(imagesDirectory);
  const mm = images.readOne("mm", pid);
  using pages = images.pagesReader("pagemap", pid);
  const code = new SavedVdsos().codeIn(mm, pages);
  const start = mm.vmas.find(({ status }) => (status & VmaStatus.AREA_VDSO) !== 0)?.start ?? 0n;
  assert.ok(code !== undefined);
  for (const { offset, sizeBytes } of exportedFunctions(code)) code.fill(INT3, offset + 1, offset + sizeBytes);
  const [name = "", ...others] = readdirSync(imagesDirectory).filter((file) => /^pages-/.test(file));
  assert.deepEqual(others, []);
  const file = openSync(join(imagesDirectory, name), "r+");
  for (const range of pages.ranges()) {
    const at = Number(start - range.vaddr);
    if (range.source !== "file" || at < 0 || at >= range.pageCount * 4096) continue;
    writeSync(file, code, 0, code.length, range.fileOffset + at);
  }
  closeSync(file);
}

test("what a program calls in the vdso of another kernel leads to that of this one", async () => {
  await using service = await startService();
  await using program = await startProgram("vdso");
  using _ = endingWith(program.pid);
  const imagesDirectory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory });
  await program.gone();
  spoil(imagesDirectory, program.pid);
  await service.client.restore({ imagesDirectory });
  program.signal("SIGUSR2");
  const said = await program.waitFor("restored");
  const wanted = ["time", "quickly", "resolution", "cpu", "day", "random"].map((proof) => `${proof}: proved`);
  assert.deepEqual(said.trim().split("\n"), ["ready", ...wanted, "restored"]);
});

test("a program that was restored so is dumped and restored again", async () => {
  await using service = await startService();
  await using program = await startProgram("vdso");
  using _ = endingWith(program.pid);
  for (const isFirst of [true, false]) {
    const imagesDirectory = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory });
    await program.gone();
    if (isFirst) spoil(imagesDirectory, program.pid);
    await service.client.restore({ imagesDirectory });
  }
  program.signal("SIGUSR2");
  assert.doesNotMatch(await program.waitFor("restored"), /not so|is \d/);
});

test("the functions of a vdso are found", () => {
  const names = exportedFunctions(ownVdso()).map(({ name }) => name);
  for (const name of ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"])
    assert.ok(names.includes(name), name);
});

test("what is no vdso is told so", () => {
  const own = ownVdso();
  const understoodOrRefused = (bytes: Uint8Array) => {
    try {
      standIn(bytes, own, 0x1000n);
    } catch (error) {
      assert.ok(error instanceof ElfFormatError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), understoodOrRefused));
  const damaged = fc.tuple(fc.nat({ max: own.length - 1 }), fc.nat({ max: 255 }));
  fc.assert(
    fc.property(fc.array(damaged, { maxLength: 40 }), fc.nat({ max: own.length }), (changes, length) => {
      const bytes = own.slice(0, length);
      for (const [at, value] of changes) if (at < length) bytes[at] = value;
      understoodOrRefused(bytes);
    }),
  );
});
