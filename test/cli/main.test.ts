// bin/stasis as a program: what it prints, and what it exits with.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../../bin/stasis", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cli-"));
after(() => rmSync(directory, { recursive: true }));

const run = (path: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(path, args, { encoding: "utf8", cwd: directory });
  return { status, stdout, stderr };
};

test("it runs through a symlink named criu, from any directory", () => {
  const criu = join(directory, "criu");
  symlinkSync(program, criu);
  const { status, stdout } = run(criu, "--version");
  assert.equal(status, 0);
  assert.match(stdout, /^Version: 4\.2\nstasis \d+\.\d+\.\d+\n$/);
});

test("a command line that cannot be carried out is one sentence and status 1", () => {
  const attempts: [string[], RegExp][] = [
    [[], /^stasis needs a command\n/],
    [["frobnicate"], /^stasis has no command "frobnicate"\n/],
    [["dump", "extra", "-t", "1"], /^"extra" is no option of dump\n/],
    [["dump"], /^Cannot dump without option tree: nothing says which process is meant; pass -t PID\n$/],
    [["dump", "-t", "0"], /^Cannot read option tree: "0" is not a whole number from 1/],
    [
      ["dump", "-t", "1", "--unprivileged"],
      /^Cannot dump with option unprivileged: .* not supported yet; leave it out/,
    ],
    [["restore", "-S"], /^Cannot restore with option restore-sibling: .*; pass --restore-detached as well\n$/],
    [
      ["restore", "--inherit-fd", "fd[99]:x"],
      /^Cannot restore with option inherit-fd: descriptor 99 for "x" is not open\n$/,
    ],
    [["swrk"], /^usage: stasis swrk FD\n/],
    [["check", "--feature", "nope"], /^Error: Cannot find the feature nope: no feature has this name\n$/],
  ];
  for (const [args, sentence] of attempts) {
    const { status, stderr } = run(program, ...args);
    assert.equal(status, 1, args.join(" "));
    assert.match(stderr, sentence);
  }
});

test("swrk on something that is no SEQPACKET socket ends with 255", () => {
  assert.equal(run(program, "swrk", "0").status, 255);
});
