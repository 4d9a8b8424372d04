// Terminals whose master belongs to another program, which is not dumped.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import "../../../support/own-terminals.js";

const stasis = fileURLToPath(new URL("../../../../../bin/stasis", import.meta.url));
const source = (name: string) =>
  fileURLToPath(new URL(`../../../../../test/resources/files/tty/${name}`, import.meta.url));

function drive(what: string): void {
  const directory = mkdtempSync(join(tmpdir(), "tty-outside-"));
  const { status, stderr, error } = spawnSync("/usr/bin/python3", [source("outside.py"), what, stasis, directory], {
    encoding: "utf8",
    timeout: 60_000,
  });
  rmSync(directory, { recursive: true });
  assert.equal(status, 0, `${stderr}${error ?? ""}`);
}

test("without an option it is refused by name, and the program works on", () => drive("refused"));

test("named by --external it is left out, and --inherit-fd puts another one in its place", () => drive("external"));

test("with --shell-job the terminal of stasis takes its place", () => drive("shell-job"));

test("with --orphan-pts-master an RPC client is given the master of a new one", () => drive("orphan"));
