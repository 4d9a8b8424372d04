// What a worker does with children: becoming another program after a restore, waiting for one, through swrk.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { spawn } from "../../src/index.js";
import { asPid } from "../../src/kernel/brand.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { startExecutable } from "../support/program.js";
import { program } from "./running-service.js";
import { swrkBehind } from "./swrk-behind.js";

const directory = mkdtempSync(join(tmpdir(), "afterwards-"));
after(() => rmSync(directory, { recursive: true }));
const startSleeping = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(1000)"],
  });

test("with exec_cmd the worker becomes the parent of the restored root, and its output goes to the log", async () => {
  await using sleeping = await startSleeping();
  await using client = spawn(program);
  await client.dump({ pid: sleeping.pid, imagesDirectory: directory });
  await sleeping.gone();
  const told = join(directory, "told");
  const execCmd = ["sh", "-c", `echo "$PPID $$" > ${told}; echo said; kill -0 ${sleeping.pid} && exec sleep 1000`];
  const { pid } = await client.restore(
    { imagesDirectory: directory, execCmd, shellJob: true, logFile: "restore.log" },
    { timeoutMs: 20_000 },
  );
  assert.equal(pid, sleeping.pid);
  const end = performance.now() + 20_000;
  const saidAll = () => existsSync(told) && readFileSync(told, "utf8").endsWith("\n");
  while (!saidAll() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  const [, shell] = readFileSync(told, "utf8").trim().split(" ");
  assert.equal(readStat(asPid(pid))?.ppid, Number(shell));
  process.kill(Number(shell), "SIGKILL");
  assert.match(readFileSync(join(directory, "restore.log"), "utf8"), /^said$/m);
});

test("a child that the worker has had before it was one can be waited for", async () => {
  const go = join(directory, "go");
  const before = `(while [ ! -e ${go} ]; do sleep 0.02; done; exit 7) & echo $!`;
  const { answers, status } = await swrkBehind(before, (pid) => {
    writeFileSync(go, "");
    return { type: CriuReqType.WAIT_PID, pid };
  });
  assert.deepEqual([answers[0]?.success, answers[0]?.status, status], [true, 7 << 8, 0]);
});
