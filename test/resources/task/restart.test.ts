// Calls with a relative time-out go on over a dump, and end when they would have: restart_syscall(2).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asPid } from "../../../src/kernel/brand.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { listThreads } from "../../../src/kernel/proc/tasks.js";
import { roundTrip, startService, until } from "../../scenarios/round-trip.js";
import { type Program, startProgram } from "../../support/program.js";

const LENGTH_MS = 3000;
const SLEPT_MS = 1200;
/** How far a loaded machine may be behind. */
const SLACK_MS = 1000;
/** What a thread was not asleep is not known: at least this much of its sleep is. */
const KNOWN_MS = SLEPT_MS - 300;

interface Result {
  readonly said: string;
  /** Since the call. */
  readonly afterMs: number;
}
const results = (output: string) =>
  new Map(
    [...output.matchAll(/^(\w+) (.+) at (\d+)$/gm)].map(([, call = "", said = "", ms]): [string, Result] => [
      call,
      { said, afterMs: Number(ms) },
    ]),
  );
const wanted = {
  nanosleep: "done",
  clock_nanosleep: "done",
  silent_nanosleep: "done",
  poll: "done",
  futex: "Connection timed out",
};

async function startSleeping(): Promise<Program> {
  const program = await startProgram("restart");
  const sleeps = (tid: number) =>
    /^(?:35|230|7|202) /.test(readFileSync(`/proc/${program.pid}/task/${tid}/syscall`, "utf8"));
  await until("all threads wait", () => listThreads(program.pid).every(sleeps));
  return program;
}

/** Each call ended well, and not too early; `latestMs`: nor later than that after its beginning. */
async function assertEnds(program: Program, latestMs: number): Promise<void> {
  program.signal("SIGUSR2");
  const found = results(await program.waitFor("restored"));
  for (const [call, said] of Object.entries(wanted)) {
    const result = found.get(call);
    assert.equal(result?.said, said, call);
    assert.ok(result.afterMs >= LENGTH_MS - 20, `${call} ended after ${result.afterMs} ms`);
    assert.ok(result.afterMs <= latestMs, `${call} ended after ${result.afterMs} ms, not ${latestMs}`);
  }
}

test("calls with a relative time-out end in time after dumps that leave the program running", async () => {
  await using service = await startService();
  await using program = await startSleeping();
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  await assertEnds(program, LENGTH_MS + SLACK_MS);
});

test("calls with a relative time-out have in a restored program what was left of their time", async () => {
  await using service = await startService();
  await using program = await startSleeping();
  await sleep(SLEPT_MS);
  const began = Date.now();
  await roundTrip(service, program.pid);
  await assertEnds(program, LENGTH_MS - KNOWN_MS + SLEPT_MS + (Date.now() - began) + SLACK_MS / 2);
});

test("they go on, too, when a dump before had left them going on, and when the program was stopped", async () => {
  await using service = await startService();
  await using program = await startSleeping();
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  program.signal("SIGSTOP");
  await until("it has stopped", () => readStat(asPid(program.pid))?.state === "T");
  await roundTrip(service, program.pid);
  program.signal("SIGCONT");
  await assertEnds(program, 10 * LENGTH_MS);
});
