import assert from "node:assert/strict";
import { test } from "node:test";
import { startExecutable } from "../support/program.js";
import { roundTrip, startService, until } from "./round-trip.js";

const pipeline = `
  (i=0; while :; do echo $i; i=$((i+1)); done) | while read x; do echo "got $x"; done &
  echo ready; wait
`;

function numbers(output: string): number[] {
  return [...output.matchAll(/^got (\d+)$/gm)].map(([, number]) => Number(number));
}

test("the numbers that go through a shell pipeline show no gap and no repeat", async () => {
  await using service = await startService();
  await using program = await startExecutable("/bin/bash", { arguments: ["-c", pipeline], readyLine: "ready" });
  await until("numbers flow", () => numbers(program.output()).length > 1000);
  await roundTrip(service, program.pid);
  const before = numbers(program.output()).length;
  await until("they flow on", () => numbers(program.output()).length > before + 10_000);
  const seen = numbers(program.output());
  assert.deepEqual(
    seen,
    seen.map((_, index) => index),
  );
});
