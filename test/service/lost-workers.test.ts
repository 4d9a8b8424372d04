// A worker that is killed, crashes or hangs: its client is told, its target runs on, and the next client finds another one.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CriuRequestError, connect } from "../../src/index.js";
import { asPid } from "../../src/kernel/brand.js";
import { listFds, readFdLink } from "../../src/kernel/proc/fdinfo.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { requestTypes } from "../../src/service/requests.js";
import { letterOf, typeOfLetter } from "../../src/service/watch.js";
import { placeFor } from "../support/images.js";
import { startExecutable } from "../support/program.js";
import { startServiceIn } from "./running-service.js";

const { directory, images } = placeFor("lost");

/** The worker that has the images open. */
function workerAt(images: string, supervisor: number | undefined): number {
  const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, "utf8").split(" ").filter(Boolean);
  const pids = children.map((pid) => asPid(Number(pid)));
  return pids.find((pid) => listFds(pid).some((fd) => readFdLink(pid, fd) === images)) ?? 0;
}

const startSleep = () =>
  startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(100000)"],
  });

async function sentenceOf(asked: Promise<unknown>): Promise<string> {
  const error: unknown = await asked.catch((reason: unknown) => reason);
  assert.ok(error instanceof CriuRequestError, String(error));
  return error.crErrmsg;
}

test("a client whose worker is killed in the middle of a dump is told so; its process runs on, and can be dumped", async () => {
  await using service = await startServiceIn(directory, "killed", "-v0");
  await using program = await startSleep();
  await using client = connect(service.path);
  const dump = { pid: program.pid, imagesDirectory: images(), leaveRunning: true };
  for (const script of ["pre-dump", "post-dump"]) {
    const said = await sentenceOf(
      client.dump(dump, {
        onNotify(step) {
          if (step.script === script) process.kill(workerAt(dump.imagesDirectory, service.process.pid), "SIGKILL");
          return true;
        },
      }),
    );
    assert.equal(
      said,
      "Cannot serve request DUMP: its worker ended with SIGKILL; ask again; the processes that were to be dumped run on",
    );
    assert.match(readStat(program.pid)?.state ?? "gone", /[RS]/);
    assert.equal(readStatus(asPid(program.pid))?.tracerPid, 0);
  }
  await client.dump(dump);
});

test("a worker that hangs is ended, and its client is told; one that waits for its client is not", async () => {
  await using service = await startServiceIn(directory, "hung", "-v0", "--hang-timeout", "1");
  await using program = await startSleep();
  await using client = connect(service.path);
  const imagesDirectory = images();
  // Nobody reads from it: open(2) never comes back.
  execFileSync("mkfifo", [join(imagesDirectory, "log")]);
  assert.equal(
    await sentenceOf(client.dump({ pid: program.pid, imagesDirectory, logFile: "log", leaveRunning: true })),
    "Cannot serve request DUMP: its worker gave no sign of life for 1 s and was ended; " +
      "look for what it waits for in its log, or start the service with a longer --hang-timeout",
  );
  assert.equal(readStatus(asPid(program.pid))?.tracerPid, 0);
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return true;
  };
  await client.dump({ pid: program.pid, imagesDirectory, leaveRunning: true }, { onNotify: slow });
});

test("every request has a letter of its own", () => {
  const letters = [...requestTypes.keys()].map(letterOf);
  assert.equal(new Set(letters).size, requestTypes.size);
  for (const type of requestTypes.keys()) assert.equal(typeOfLetter(letterOf(type)), type);
  for (const word of ["b", "w", ".", "d", "r", "t", "a", letterOf(CriuReqType.EMPTY)])
    assert.equal(typeOfLetter(word), undefined);
});
