// What Debian's crit makes of a real dump: every image decodes, and `crit x` shows the tree, its descriptors and its mappings.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startService } from "../scenarios/round-trip.js";
import { startProgram } from "../support/program.js";

const hasCrit = existsSync("/usr/bin/crit");
const skip = hasCrit || process.env["CI"] === "true" ? false : "crit (Debian package criu) is not installed";

function crit(...words: string[]): string {
  const { status, stdout, stderr } = spawnSync("crit", words, { encoding: "utf8" });
  assert.equal(status, 0, `crit ${words.join(" ")}: ${stderr}`);
  return stdout;
}

test("crit decodes every image of a dump and shows its processes, descriptors and mappings", { skip }, async () => {
  await using service = await startService();
  await using program = await startProgram("timers", { linked: "static" });
  const images = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory: images, leaveRunning: true });

  for (const file of readdirSync(images)) {
    if (file.endsWith(".img") && !file.startsWith("pages-")) crit("decode", "-i", join(images, file));
  }
  assert.match(crit("x", images, "ps"), new RegExp(`^\\s*${program.pid}\\s+\\d+\\s+\\d+\\s+timers`, "m"));
  assert.match(crit("x", images, "fds"), /0: \/dev\/null/);
  assert.match(crit("x", images, "mems"), /\/timers-static/);
});
