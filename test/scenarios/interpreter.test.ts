import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startExecutable } from "../support/program.js";
import { roundTrip, startService, until } from "./round-trip.js";

const script = fileURLToPath(new URL("../../../test/scenarios/counter.py", import.meta.url));

interface Tick {
  readonly number: number;
  readonly counts: readonly number[];
}

function ticks(output: string): Tick[] {
  return [...output.matchAll(/^tick (\d+) (\d+) (\d+) (\d+)$/gm)].map(([, number, ...counts]) => ({
    number: Number(number),
    counts: counts.map(Number),
  }));
}

test("CPython with counting threads and a large heap counts on where it stopped", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", { arguments: [script], readyLine: "ready" });
  await until("it counts", () => ticks(program.output()).length > 20);
  const scripts = await roundTrip(service, program.pid);
  const before = ticks(program.output()).length;
  await until("it counts on", () => ticks(program.output()).length > before + 50);

  assert.deepEqual(scripts, [
    ...["pre-dump", "query-ext-files", "post-dump"],
    ...["pre-restore", "post-restore", "pre-resume", "post-resume"],
  ]);
  const seen = ticks(program.output());
  assert.deepEqual(
    seen.map(({ number }) => number),
    seen.map((_, index) => index + 1),
  );
  for (const [index, { counts }] of seen.entries()) {
    const earlier = seen[index - 1]?.counts ?? [0, 0, 0];
    assert.ok(
      counts.every((count, which) => count >= (earlier[which] ?? 0)),
      `tick ${index + 1} counts back`,
    );
  }
  const [first, last] = [seen[before], seen.at(-1)];
  assert.ok(first !== undefined && last?.counts.every((count, which) => count > (first.counts[which] ?? 0)));
  assert.doesNotMatch(program.output(), /wrong|Error/);
});
