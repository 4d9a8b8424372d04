import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { asFd, type Fd } from "../../src/kernel/brand.js";
import { LineLog } from "../../src/report/log.js";
import { nobodyElse } from "../../src/service/access.js";
import { listenAt } from "../../src/service/listen.js";
import { Supervisor } from "../../src/service/supervisor.js";

const directory = mkdtempSync(join(tmpdir(), "supervisor-"));
after(() => rmSync(directory, { recursive: true }));
const log = new LineLog(asFd(2), 0, { owned: false });

const settings = { level: 0, access: nobodyElse, idleSeconds: 0 };

/** A program to run as a worker. */
function program(name: string, text: string): string {
  const path = join(directory, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}

/** Runs a supervisor until its workers have written down three answers. */
async function answersTo(worker: string, listening: Fd, answers: string): Promise<string> {
  const supervisor = new Supervisor(listening, { waiting: 1, most: 64, silentMs: 0, settings, log, worker });
  await supervisor.start();
  const end = performance.now() + 10_000;
  while ((!existsSync(answers) || readFileSync(answers, "latin1").length < 3) && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 20));
  supervisor.stop();
  supervisor.stop();
  await supervisor.ended;
  return readFileSync(answers, "latin1");
}

test("workers that cannot start are tried three times, and then it is said", async () => {
  using listening = listenAt(join(directory, "broken"), 0o600);
  const worker = program("broken", "process.exit(3);");
  const supervisor = new Supervisor(listening.fd, { waiting: 1, most: 64, silentMs: 0, settings, log, worker });
  await assert.rejects(supervisor.start(), {
    message: "Cannot start the workers of the service: 3 in a row were not ready, the last one ended with status 3",
  });
});

test("a worker that is needed goes on, and one that crashes is replaced", async () => {
  using listening = listenAt(join(directory, "crash"), 0o600);
  // Is ready, takes a connection that nobody made, offers itself again, and writes down the answer.
  const answers = join(directory, "answers");
  const worker = program(
    "again",
    `import { appendFileSync, readSync, writeSync } from "node:fs";
     const answer = Buffer.alloc(1);
     const ask = (words) => writeSync(4, words) && readSync(4, answer) && String(answer);
     if (ask("r") !== "g") process.exit(0);
     appendFileSync(${JSON.stringify(answers)}, ask("ta"));
     setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);`,
  );
  assert.match(await answersTo(worker, listening.fd, answers), /^g[ge][ge]/);
});

test("one that was started while others served, and is not needed any more, ends", async () => {
  using listening = listenAt(join(directory, "surplus"), 0o600);
  const answers = join(directory, "surplus-answers");
  // The first one is ready again before the second one, which was started while it served.
  const worker = program(
    "surplus",
    `import { appendFileSync, existsSync, readSync, writeSync } from "node:fs";
     const answer = Buffer.alloc(1);
     const ask = (words) => writeSync(4, words) && readSync(4, answer) && String(answer);
     const isFirst = !existsSync(${JSON.stringify(answers)});
     appendFileSync(${JSON.stringify(answers)}, ask("r"));
     if (!isFirst) process.exit(0);
     appendFileSync(${JSON.stringify(answers)}, ask("ta"));
     setInterval(() => {}, 1000);`,
  );
  assert.equal(await answersTo(worker, listening.fd, answers), "gge");
});
