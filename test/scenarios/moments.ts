// One running program, dumped again and again at moments that nobody chose. STASIS_MOMENTS: how often.
import { existsSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pid } from "../../src/kernel/brand.js";
import { type Program, type ProgramOptions, startExecutable } from "../support/program.js";
import { endingWith, roundTrip, type Service, startService, type TripOptions, until } from "./round-trip.js";

export const MOMENTS = Number(process.env["STASIS_MOMENTS"] ?? 3);
const SPREAD_MS = 150;

interface Moments extends Pick<TripOptions, "options" | "onNotify"> {
  readonly moments?: number;
  /** Asks the program whether all is well, each time. */
  readonly works: (moment: number) => Promise<void> | void;
}

/** Most times the tree is killed and restored; every third time it is dumped and runs on. */
export async function atRandomMoments(
  service: Service,
  root: Pid,
  { moments = MOMENTS, works, ...trip }: Moments,
): Promise<void> {
  for (let moment = 1; moment <= moments; moment++) {
    await sleep(Math.random() * SPREAD_MS);
    const way = moment % 3 === 0 ? "left running" : "restored";
    try {
      if (way === "restored") await roundTrip(service, root, trip);
      else
        await service.client.dump({
          ...trip.options,
          pid: root,
          imagesDirectory: service.images(),
          leaveRunning: true,
        });
      await works(moment);
    } catch (error) {
      throw new Error(`at moment ${moment} of ${moments}, ${way}: ${String(error)}`, { cause: error });
    }
  }
}

/** A test with programs of Debian that not everybody has: without one it is skipped, and says so. CI has to have them (.ci/run). */
export function testWith(paths: readonly string[], title: string, body: () => Promise<void>): void {
  const missing = process.env["CI"] === undefined ? paths.filter((path) => !existsSync(path)) : [];
  test(title, missing.length === 0 ? {} : { skip: `${missing.join(", ")} is not installed` }, body);
}

/** How far a program came that says `round N` whenever a piece of work has come out right. Throws when it left one out or says anything else. */
export function rounds(output: string): number {
  const lines = output.split("\n").slice(0, -1);
  for (const [index, line] of lines.entries())
    if (line !== `round ${index + 1}`) throw new Error(`line ${index + 1} is ${JSON.stringify(line)}`);
  return lines.length;
}

/** A program that says `round N`, at random moments: it never comes out wrong, and never stands still. */
export async function goesOnWorking(path: string, options: ProgramOptions): Promise<void> {
  await using service = await startService();
  await using program = await startExecutable(path, { readyLine: "round 2", ...options });
  using _ = endingWith(program.pid);
  await atRandomMoments(service, program.pid, { works: () => worksOn(program) });
}

async function worksOn(program: Program): Promise<void> {
  const before = rounds(program.output());
  await until(`${program.comm} comes further than round ${before}`, () => rounds(program.output()) >= before + 2);
}
