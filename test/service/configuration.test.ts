// Where options come from, each over the ones before: ~/.criu/default.conf, $CRIU_CONFIG_FILE, --config, the command line, the request.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ConnectionClosed, spawn } from "../../src/index.js";
import { withConfiguration } from "../../src/service/configuration.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";
import { program as stasis } from "./running-service.js";

const { directory, images } = placeFor("configuration");
const home = join(directory, "home");
mkdirSync(join(home, ".criu"), { recursive: true });
const file = (name: string, text: string) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
writeFileSync(join(home, ".criu/default.conf"), "ghost-limit 1\ntimeout 1\nlog-file home.log\nlink-remap\n");
const named = file("named.conf", "ghost-limit 2\ntimeout 2\nno-link-remap\n");
const given = file("given.conf", "ghost-limit 3\n");

test("each source counts more than the one before it, and --no-default-config leaves the first out", () => {
  const environment = { HOME: home, CRIU_CONFIG_FILE: named };
  const read = (more: object) => {
    const { ghostLimitBytes, timeoutSeconds, logFile, linkRemap } = withConfiguration(more, environment);
    return [ghostLimitBytes, timeoutSeconds, logFile, linkRemap];
  };
  assert.deepEqual(read({}), [2, 2, "home.log", false]);
  assert.deepEqual(read({ configFile: given }), [3, 2, "home.log", false]);
  assert.deepEqual(read({ configFile: given, ghostLimitBytes: 4 }), [4, 2, "home.log", false]);
  assert.deepEqual(read({ noDefaultConfig: true }), [2, 2, undefined, false]);
  assert.deepEqual(withConfiguration({}, { HOME: join(directory, "nobody") }), withConfiguration({}, {}));
});

test("swrk takes its files from its environment, and a request counts more", async () => {
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(100000)"],
  });
  await using criu = spawn(stasis, { environment: { ...process.env, HOME: home, CRIU_CONFIG_FILE: named } });
  const dump = { pid: program.pid, leaveRunning: true };
  const imagesDirectory = images();
  await criu.dump({ ...dump, imagesDirectory });
  assert.ok(existsSync(join(imagesDirectory, "home.log")));
  const another = images();
  await criu.dump({ ...dump, imagesDirectory: another, logFile: "request.log" });
  assert.deepEqual([existsSync(join(another, "home.log")), existsSync(join(another, "request.log"))], [false, true]);
});

test("a file that cannot be read as one ends the command with 1, and swrk before it looks at its socket", async () => {
  const broken = file("broken.conf", "frobnicate\n");
  const { status, stderr } = spawnSync(stasis, ["check", "--config", broken], { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /line 1: there is no option "frobnicate"\n$/);
  await using criu = spawn(stasis, { environment: { ...process.env, CRIU_CONFIG_FILE: broken } });
  await assert.rejects(criu.version(), ConnectionClosed);
});
