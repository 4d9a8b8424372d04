// Runtimes at their worst moment: each checks its own work, and is dumped wherever it happens to be.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildProgram } from "../support/program.js";
import { goesOnWorking, testWith } from "./moments.js";

const load = (name: string) => fileURLToPath(new URL(`../../../test/scenarios/load/${name}`, import.meta.url));

test("Node with its thread pool busy, code being compiled and a worker thread waiting on a futex", () =>
  goesOnWorking(process.execPath, { arguments: [load("node.mjs")] }));

testWith(["/usr/bin/go"], "a Go program in the middle of a garbage collection", async () => {
  const directory = mkdtempSync(join(tmpdir(), "go-"));
  try {
    const program = join(directory, "collecting");
    const env = {
      PATH: process.env["PATH"],
      GOCACHE: join(tmpdir(), "stasis-go-cache"),
      GO111MODULE: "off",
      HOME: directory,
    };
    execFileSync("/usr/bin/go", ["build", "-o", program, load("collecting.go")], { env });
    await goesOnWorking(program, {});
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

testWith(
  ["/usr/bin/erl"],
  "Erlang with processes that collect their garbage, send it to each other and ask a port",
  () => goesOnWorking("/usr/bin/escript", { arguments: [load("collecting.escript")], environment: { HOME: "/" } }),
);

testWith(["/usr/bin/python3"], "CPython with threads in time.sleep, in locks, in conditions and barriers", () =>
  goesOnWorking("/usr/bin/python3", { arguments: [load("threads.py")] }),
);

testWith(
  ["/usr/bin/python3"],
  "a Python multiprocessing pool with queues, semaphores, shared memory and a manager",
  () => goesOnWorking("/usr/bin/python3", { arguments: [load("pool.py")] }),
);

test("a program that forks, spawns, kills and reaps all the time", () => goesOnWorking(buildProgram("forks"), {}));

test("a shell that starts programs all the time", () =>
  goesOnWorking("/bin/bash", { arguments: [load("pipelines.sh")] }));
