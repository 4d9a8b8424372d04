// `stasis image` prints what crit prints, of a real dump: crit 3.17 of Debian's package criu.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { decodeImage, encodeImage } from "../../src/images/crit/image.js";
import { isList, isObject, type Json, readJson, writeJson } from "../../src/images/crit/json.js";
import { ImageDirectory } from "../../src/images/directory.js";
import { imageKinds, imageOfFile } from "../../src/images/format/magic.js";
import { scratchDirectory } from "../images/scratch.js";
import { dumpedProgram } from "./dumped.js";
import { writeEveryKind, writeEveryMachine } from "./samples.js";

/** What crit 3.17 calls nr_pages is compat_nr_pages since CRIU 4.2. */
const RENAMED: ReadonlySet<string> = new Set(["pagemap-5.img", "pagemap-shmem-5.img"]);
/** The numbers of the machines are the pids; crit 3.17 does not know LoongArch and RISC-V. */
const YOUNG_MACHINES: ReadonlySet<string> = new Set(["core-7.img", "core-8.img"]);

const present = spawnSync("crit", ["--help"]).status === 0;
const skip = present || process.env["CI"] === "true" ? false : "crit (Debian package criu) is not installed";
const program = fileURLToPath(new URL("../../../bin/stasis", import.meta.url));
const script = fileURLToPath(new URL("../../../test/peers/pycriu-json.py", import.meta.url));

/** What of `ours` there is in `theirs` too: crit 3.17 does not know the younger fields. */
function known(ours: Json | undefined, theirs: Json | undefined): Json | undefined {
  if (isList(ours) && isList(theirs)) return theirs.map((item, at) => known(ours[at], item) ?? null);
  if (!isObject(ours) || !isObject(theirs)) return ours;
  return Object.fromEntries(Object.entries(theirs).map(([name, value]) => [name, known(ours[name], value) ?? null]));
}

describe("stasis image", { skip }, () => {
  const scratch = scratchDirectory();
  before(() => dumpedProgram(scratch.path));
  after(() => scratch[Symbol.dispose]());
  const images = () =>
    readdirSync(scratch.path).flatMap((file) => {
      const name = imageOfFile(file)?.name;
      return name !== undefined && imageKinds[name].records ? [file] : [];
    });
  const bytesOf = (file: string) => readFileSync(join(scratch.path, file));

  test("decodes to crit's JSON, letter by letter, less what is younger than it, plain and pretty", () => {
    const theirs: Record<string, [string, string]> = JSON.parse(
      execFileSync("/usr/bin/python3", [script, scratch.path], { encoding: "utf8" }),
    );
    let compared = 0;
    for (const file of images()) {
      const [plain, pretty] = theirs[file] ?? [];
      if (plain === undefined || pretty === undefined) continue;
      const shown = (text: string, indent: number | undefined) =>
        writeJson(
          known(decodeImage(bytesOf(file), file, { pretty: indent !== undefined }), readJson(text)) ?? null,
          indent,
        );
      assert.equal(shown(plain, undefined), plain, file);
      // CRIU 4.2 has names for flags of mappings that 3.17 shows as numbers.
      if (!file.startsWith("mm-")) assert.equal(shown(pretty, 4), pretty, file);
      compared++;
    }
    assert.ok(compared > 8, `${compared}`);
  });

  test("encodes either form to the same bytes", () => {
    for (const file of images()) {
      for (const pretty of [false, true]) {
        const text = writeJson(decodeImage(bytesOf(file), file, { pretty }));
        assert.deepEqual(Buffer.from(encodeImage(readJson(text))), bytesOf(file), file);
      }
    }
  });

  for (const [what, write, unknown] of [
    ["kind", writeEveryKind, RENAMED],
    ["machine", writeEveryMachine, YOUNG_MACHINES],
  ] as const) {
    test(`shows an image of every ${what} as crit does, and encodes it to the same bytes`, () => {
      using every = scratchDirectory();
      write(ImageDirectory.create(every.path));
      const theirs: Record<string, [string, string]> = JSON.parse(
        execFileSync("/usr/bin/python3", [script, every.path], { encoding: "utf8" }),
      );
      const names = readdirSync(every.path);
      const differing: string[] = [];
      for (const file of names) {
        const bytes = readFileSync(join(every.path, file));
        for (const pretty of [false, true]) {
          const ours = decodeImage(bytes, file, { pretty });
          assert.deepEqual(Buffer.from(encodeImage(readJson(writeJson(ours)))), bytes, file);
          const text = theirs[file]?.[pretty ? 1 : 0];
          if (text === undefined || unknown.has(file)) continue;
          const shown = writeJson(known(ours, readJson(text)) ?? null, pretty ? 4 : undefined);
          if (shown !== text) differing.push(`${shown} is not ${text}`);
        }
      }
      assert.deepEqual(differing, []);
      assert.ok(names.length > unknown.size);
    });
  }

  test("explores as crit does", () => {
    for (const what of ["ps", "fds", "mems", "rss"]) {
      const args = ["x", scratch.path, what];
      assert.equal(
        execFileSync(program, ["image", ...args], { encoding: "utf8" }),
        execFileSync("crit", args, { encoding: "utf8" }),
      );
    }
  });

  test("shows, tells the size of, and refuses with crit's exit codes", () => {
    const run = (...args: string[]) => spawnSync(program, ["image", ...args], { encoding: "utf8" });
    const pstree = join(scratch.path, "pstree.img");
    assert.equal(run("show", pstree).stdout, execFileSync("crit", ["show", pstree], { encoding: "utf8" }));
    assert.equal(run("info", pstree).stdout, '{\n    "magic": "PSTREE",\n    "count": 2\n}\n');
    const statuses = [[], ["frobnicate"], ["x", scratch.path, "nothing"], ["show", "/nowhere"]].map(
      (args) => run(...args).status,
    );
    assert.deepEqual(statuses, [1, 2, 2, 1]);
    const raw = readdirSync(scratch.path).find((file) => file.startsWith("pages-"));
    assert.match(
      run("show", join(scratch.path, raw ?? "")).stderr,
      /^Cannot read the image pages-1\.img: its magic 0x[0-9a-f]+ is none/,
    );
  });
});
