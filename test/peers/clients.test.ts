// Clients that we did not write: CRIU's Python client and libcriu, both in Debian's package criu, and go-criu
// (golang-github-checkpoint-restore-go-criu-dev), which knows swrk alone.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "../../src/index.js";
import { startServiceIn, program as stasis } from "../service/running-service.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";

const { directory, images: newImages } = placeFor("clients");
const source = (name: string) => fileURLToPath(new URL(`../../../test/peers/${name}`, import.meta.url));
const required = process.env["CI"] === "true";
const run = promisify(execFile);

// What these clients start is called criu.
const bin = join(directory, "bin");
mkdirSync(bin);
symlinkSync(stasis, join(bin, "criu"));
const environment = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };

const startSleeping = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(1000)"],
  });

const python = spawnSync("/usr/bin/python3", ["-c", "import pycriu"]).status === 0;
const noPython = python || required ? false : "the Python client (Debian package criu) is not installed";

async function drivenByPython(how: "service" | "swrk", where: string): Promise<void> {
  await using sleeping = await startSleeping();
  const args = [source("pycriu-client.py"), how, where, String(sleeping.pid), newImages()];
  const { stdout } = await run("/usr/bin/python3", args, { env: environment, timeout: 60_000 });
  const expected = ["checked", "refused", "left running", "dumped", `restored ${sleeping.pid}`, ""];
  assert.deepEqual(stdout.split("\n"), expected);
}

test("the Python client drives the service", { skip: noPython }, async () => {
  await using service = await startServiceIn(directory, "python", "-v0");
  await drivenByPython("service", service.path);
});

test("the Python client drives swrk", { skip: noPython }, () => drivenByPython("swrk", join(bin, "criu")));

const noLibcriu =
  existsSync("/usr/include/criu/criu.h") || required ? false : "libcriu (Debian package criu) is not installed";

function libcriuClient(): string {
  const client = join(directory, "libcriu-client");
  const build = ["-Wall", "-Werror", "-I/usr/include/criu", source("libcriu-client.c"), "-lcriu", "-o", client];
  if (!existsSync(client)) execFileSync("gcc", build, { stdio: ["ignore", "inherit", "inherit"] });
  return client;
}

async function drivenByLibcriu(how: "service" | "swrk", where: string): Promise<void> {
  const client = libcriuClient();
  await using sleeping = await startSleeping();
  const { pid } = sleeping;
  const { stdout } = await run(client, [how, where, String(pid), newImages()], { timeout: 60_000 });
  const dumps = ["pre-dump", "query-ext-files", "post-dump", "left running", "dumped"];
  const restore = ["pre-restore", `post-restore ${pid}`, "pre-resume", "post-resume", `restored ${pid}`];
  // A refusal is -EBADE, with the service's errno beside it: ESRCH.
  const first = ["checked", "version 40200", "features", "refused -52, errno 3"];
  const last = how === "swrk" ? ["waited for", ""] : [""];
  assert.deepEqual(stdout.split("\n"), [...first, ...dumps, ...restore, ...last]);
}

test("libcriu drives the service, and is notified", { skip: noLibcriu }, async () => {
  await using service = await startServiceIn(directory, "libcriu", "-v0");
  await drivenByLibcriu("service", service.path);
});

test("libcriu drives swrk, and the restored root is its child", { skip: noLibcriu }, () =>
  drivenByLibcriu("swrk", join(bin, "criu")),
);

test("a program that dumps itself with libcriu goes on as the restored copy", { skip: noLibcriu }, async () => {
  await using service = await startServiceIn(directory, "libcriu-self", "-v0");
  const images = newImages();
  await using program = await startExecutable(libcriuClient(), { arguments: ["service", service.path, "0", images] });
  await program.gone();
  await connect(service.path).restore({ imagesDirectory: images });
  await program.waitFor("dumped itself: 1");
});

const goCriu = "/usr/share/gocode/src/github.com/checkpoint-restore/go-criu";
const noGo =
  (existsSync(goCriu) && existsSync("/usr/bin/go")) || required
    ? false
    : "go and go-criu (Debian packages) are not installed";

test("go-criu drives swrk, and is notified", { skip: noGo }, async () => {
  const client = join(directory, "go-client");
  // Debian leaves the version out of the path, by which the package imports itself.
  const gopath = join(directory, "go");
  mkdirSync(join(gopath, "src/github.com/checkpoint-restore/go-criu"), { recursive: true });
  symlinkSync(goCriu, join(gopath, "src/github.com/checkpoint-restore/go-criu/v5"));
  const caches = { GOCACHE: join(tmpdir(), "stasis-go-cache") };
  const env = { ...environment, ...caches, GO111MODULE: "off", GOPATH: `${gopath}:/usr/share/gocode` };
  execFileSync("go", ["build", "-o", client, source("go-client.go")], { env, stdio: ["ignore", "inherit", "inherit"] });
  await using sleeping = await startSleeping();
  const { stdout } = await run(client, [String(sleeping.pid), newImages()], { env: environment, timeout: 60_000 });
  const steps = ["pre-dump", "post-dump", "pre-restore", `post-restore ${sleeping.pid}`, "post-resume"];
  assert.deepEqual(stdout.split("\n"), ["version 40200", ...steps, ""]);
});
