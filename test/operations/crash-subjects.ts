// Programs that show that they work on, and the moments at which an engine is killed that works on them.
//
// STASIS_CRASH_RUNS: how often each; STASIS_CRASH_SEED: the moments of a run that failed.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { no32BitCode, type Program, startProgram } from "../support/program.js";
import type { Engine } from "./engine-process.js";

export const RUNS = Number(process.env["STASIS_CRASH_RUNS"] ?? 12);
export const SEED = Number(process.env["STASIS_CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Microseconds from the word to the end, of an engine that is left alone. */
export async function measure(engine: Engine): Promise<number> {
  const start = process.hrtime.bigint();
  engine.go();
  await engine.done();
  return Number((process.hrtime.bigint() - start) / 1000n);
}

/** Programs that count the rounds of their workers. */
export const subjects = {
  busy: { workers: 11, processes: 2, what: "a program" },
  "busy-compat": { workers: 11, processes: 2, what: "a program of 32-bit code" },
  connected: { workers: 3, processes: 1, what: "a program with TCP connections in use" },
  confined: { workers: 3, processes: 3, what: "a program under seccomp" },
} as const;

export const startSubject = (name: string) =>
  name === "busy-compat" ? startProgram("busy", { linked: "compat" }) : startProgram(name);

/** Why it cannot be started here. */
export const skipped = (name: string) => name === "busy-compat" && no32BitCode;

/** The rounds of every worker: busy.c. */
export function beats({ directory, comm }: Program): bigint[] {
  const { workers } = subjects[comm as keyof typeof subjects];
  const bytes = readFileSync(join(directory, "beats"));
  return [...new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + workers * 8))];
}

/** Workers that have not done a whole round since. */
export function standingStill(program: Program, before: readonly bigint[]): number[] {
  return beats(program).flatMap((now, worker) => (now > (before[worker] ?? 0n) + 1n ? [] : [worker]));
}

/** Random moments between the first and the last microsecond. */
export const moments = (longestUs: number, numRuns = RUNS) =>
  fc.sample(fc.integer({ min: 0, max: Math.round(longestUs) }), { numRuns, seed: SEED });

export async function measureOne(start: () => Promise<Engine>): Promise<number> {
  await using engine = await start();
  return await measure(engine);
}
