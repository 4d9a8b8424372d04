// Calls with a relative time-out go on over a dump: restart_syscall(2).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { listThreads } from "../../../src/kernel/proc/tasks.js";
import { roundTrip, startService, until } from "../../scenarios/round-trip.js";
import { type Program, startProgram } from "../../support/program.js";

/** What each call said: "done", or its errno in words. */
const results = (output: string) =>
  Object.fromEntries([...output.matchAll(/^(\w+) (.+) at \d+$/gm)].map(([, call = "", result]) => [call, result]));
const completed = { nanosleep: "done", clock_nanosleep: "done", poll: "done", futex: "Connection timed out" };

async function startSleeping(): Promise<Program> {
  const program = await startProgram("restart");
  const sleeps = (tid: number) =>
    /^(?:35|230|7|202) /.test(readFileSync(`/proc/${program.pid}/task/${tid}/syscall`, "utf8"));
  await until("all threads wait", () => listThreads(program.pid).every(sleeps));
  return program;
}

test("calls with a relative time-out go on after a dump that leaves the program running", async () => {
  await using service = await startService();
  await using program = await startSleeping();
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  program.signal("SIGUSR2");
  assert.deepEqual(results(await program.waitFor("restored")), completed);
});

test("calls with a relative time-out go on in a restored program", async () => {
  await using service = await startService();
  await using program = await startSleeping();
  await roundTrip(service, program.pid);
  program.signal("SIGUSR2");
  assert.deepEqual(results(await program.waitFor("restored")), completed);
});
