import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const at = (module: string) => new URL(`../../src/${module}`, import.meta.url);
const script = `
  import { startSeed } from "${at("tracee/seed.js")}";
  import { asAddress } from "${at("kernel/brand.js")}";
  try {
    startSeed(asAddress(0x10000000n));
    console.log("started");
  } catch (error) {
    console.log(error.message);
  }`;

test("a debugger that follows our forks is named as what keeps a restore from beginning", () => {
  const node = [process.execPath, "--input-type=module", "--eval", script];
  const { stdout, error } = spawnSync("strace", ["-f", "-qq", "-e", "trace=none", ...node], { encoding: "utf8" });
  assert.equal(error, undefined);
  assert.match(stdout, /^Cannot start a process to restore into: process \d+ traces it, and all that stasis starts; /);
});
