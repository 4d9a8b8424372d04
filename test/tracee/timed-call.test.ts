// How long a thread has slept is told by the clock of its processor: they differ where a hypervisor takes time from each.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asPid } from "../../src/kernel/brand.js";
import { onlineProcessors } from "../../src/kernel/processors.js";
import { readRunClock } from "../../src/kernel/run-clock.js";
import { sys } from "../../src/kernel/syscalls.js";
import { timedCallOf } from "../../src/tracee/timed-call.js";
import { until } from "../scenarios/round-trip.js";

const CLOCK_NANOSLEEP = 230;
const NS_PER_MS = 1_000_000n;

for (const processor of onlineProcessors())
  test(`a thread that sleeps on processor ${processor} is not said to have slept longer than it has`, async () => {
    const beforeNs = process.hrtime.bigint();
    const sleeper = spawn("taskset", ["-c", String(processor), "sleep", "100"], { stdio: "ignore" });
    const pid = asPid(sleeper.pid ?? 0);
    try {
      await until("it sleeps", () => readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith(`${CLOCK_NANOSLEEP} `));
      const asleepNs = process.hrtime.bigint();
      await until("it has slept", () => process.hrtime.bigint() - asleepNs > 50n * NS_PER_MS);
      const call = timedCallOf(pid, pid);
      assert.equal(call?.number, CLOCK_NANOSLEEP);
      assert.ok(call.sleptNs > 0n);
      assert.ok(call.sleptNs <= process.hrtime.bigint() - beforeNs, `${call.sleptNs} ns`);
    } finally {
      sleeper.kill("SIGKILL");
      await once(sleeper, "exit");
    }
  });

test("the clock of a processor that is not there is not told, and we run where we ran before", () => {
  const mask = () => {
    const bits = new Uint8Array(1024);
    return bits.subarray(0, sys.sched_getaffinity(asPid(0), bits.byteLength, bits));
  };
  const before = mask();
  assert.equal(readRunClock(8000), undefined);
  for (const processor of onlineProcessors()) assert.ok((readRunClock(processor) ?? 0n) > 0n);
  assert.deepEqual(mask(), before);
});
