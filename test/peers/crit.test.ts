// CRIU's own image tool reads what we write: crit(1), Debian package criu.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { ImageDirectory } from "../../src/images/directory.js";
import { imageKinds, imageOfFile } from "../../src/images/format/magic.js";
import { scratchDirectory } from "../images/scratch.js";
import { writeEveryKind, writeSmallTree } from "./samples.js";

const present = spawnSync("crit", ["--help"]).status === 0;
// Where CI runs, crit has to be there.
const skip = present || process.env["CI"] === "true" ? false : "crit (Debian package criu) is not installed";

const crit = (...args: string[]) => execFileSync("crit", args, { encoding: "utf8" });

/** Kinds that crit has no decoder for, be it 3.17 or 4.2. */
const undecoded = new Set(["BINFMT_MISC", "PIDFD", "SIGNAL"]);
/** Kinds that crit reads and cannot write: it has text where Python wants bytes. */
const unwritable = new Set(["BPFMAP_DATA", "IPCNS_SHM"]);

interface Look {
  readonly magic?: string;
  readonly entries?: number;
  readonly same?: boolean;
  readonly cannotWrite?: string;
}

test("crit decodes an image of every kind, and encodes it to the same bytes", { skip }, () => {
  using scratch = scratchDirectory();
  writeEveryKind(ImageDirectory.create(scratch.path));
  // One Python for all of them; crit(1) is a few lines around this library.
  const script = new URL("../../../test/peers/pycriu-all.py", import.meta.url).pathname;
  const looks: Record<string, Look> = JSON.parse(
    execFileSync("/usr/bin/python3", [script, scratch.path], { encoding: "utf8" }),
  );
  for (const [file, look] of Object.entries(looks)) {
    const kind = imageKinds[imageOfFile(file)?.name ?? "pages"];
    assert.ok(kind.records, file);
    if (undecoded.has(kind.crit)) continue;
    const { cannotWrite, ...shown } = look;
    const same = unwritable.has(kind.crit) ? {} : { same: true };
    assert.deepEqual(
      shown,
      { magic: kind.crit, entries: kind.crit === "PAGEMAP" ? 2 : 1, ...same },
      `${file} ${cannotWrite}`,
    );
  }
});

test("crit shows the processes, files and memory of a dump", { skip }, () => {
  using scratch = scratchDirectory();
  writeSmallTree(ImageDirectory.create(scratch.path));
  const shown = (what: string) =>
    crit("x", scratch.path, what)
      .split("\n")
      .map((line) => line.trim().replace(/\s+/g, " "));
  assert.deepEqual(shown("ps"), ["PID PGID SID COMM", "100 100 100 parent", "101 100 100 child", ""]);
  assert.deepEqual(shown("fds").slice(0, 5), ["100", "0: /dev/null", "1: pipe[500]", "cwd: /tmp", "root: /"]);
  const mems = ["100", "exe /bin/sleep", "00400000-00401000 r-x /bin/sleep", "7f0000000000-7f0000004000 rw-"];
  assert.deepEqual(shown("mems").slice(0, 4), mems);
  assert.deepEqual(shown("rss").slice(0, 2), ["100", "7f0000001000 / 2 7f0000000000 / 4"]);
});
