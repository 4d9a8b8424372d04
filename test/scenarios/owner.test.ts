import assert from "node:assert/strict";
import { test } from "node:test";
import { readStatus } from "../../src/kernel/proc/status.js";
import { startExecutable } from "../support/program.js";
import { roundTrip, startService, until } from "./round-trip.js";

const script = `
import os, time
os.setgroups([65534, 100]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
n = 0
while True:
    n += 1
    print("tick", n, os.getuid(), flush=True)
    time.sleep(0.01)
`;
const ticks = (output: string) => [...output.matchAll(/^tick (\d+) 65534$/gm)].length;

test("a program of another user comes back as that user, without CAP_SYS_RESOURCE", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", script],
    readyLine: "tick 5 65534",
  });
  const before = readStatus(program.pid);
  await roundTrip(service, program.pid);
  const seen = ticks(program.output());
  await until("it goes on", () => ticks(program.output()) > seen + 10);
  const after = readStatus(program.pid);
  for (const field of ["uids", "gids", "groups", "capPrm", "capEff", "capBnd", "capInh", "capAmb"] as const) {
    assert.deepEqual(after?.[field], before?.[field], field);
  }
});
