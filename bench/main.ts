// npm run bench -- --vs BINARY [--sizes 1,64,1024] [--mappings 1] [--runs 5] [--ours BINARY] [--directory DIR]
// Our service and another one of criurpc, in turn, on the same targets: medians, and ours divided by theirs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Figure, figures, type Measured, measure } from "./measure.js";
import { stopWithUs } from "./running.js";
import { type Service, startService } from "./service.js";
import { compileTarget, type TargetShape } from "./target.js";

const { values } = parseArgs({
  options: {
    vs: { type: "string" },
    ours: { type: "string", default: fileURLToPath(new URL("../../bin/stasis", import.meta.url)) },
    sizes: { type: "string", default: "1,64,1024" },
    mappings: { type: "string", default: "1" },
    runs: { type: "string", default: "5" },
    directory: { type: "string", default: tmpdir() },
  },
});

const columns = [15, 34, 12, 12, 8];

await main();

async function main(): Promise<void> {
  const directory = mkdtempSync(join(values.directory, "stasis-bench-"));
  const tidy = () => rmSync(directory, { recursive: true, force: true });
  stopWithUs(tidy);
  try {
    const program = compileTarget(directory);
    await using ours = await startService("ours", values.ours, directory);
    if (values.vs === undefined) return await compare(program, directory, [ours]);
    await using theirs = await startService("theirs", values.vs, directory);
    await compare(program, directory, [ours, theirs]);
  } finally {
    tidy();
  }
}

async function compare(program: string, directory: string, services: readonly Service[]): Promise<void> {
  print([
    "target",
    `median of ${values.runs}`,
    ...services.map(({ name }) => name),
    services.length > 1 ? "ratio" : "",
  ]);
  for (const shape of shapes()) {
    const runs = new Map<Service, Measured[]>(services.map((service) => [service, []]));
    for (let run = 0; run < Number(values.runs); run++) {
      // Who comes second finds memory that the first one has freed; a virtual machine may have to fetch the first one's from its host.
      const inTurn = run % 2 === 0 ? [...runs] : [...runs].reverse();
      for (const [service, measured] of inTurn) measured.push(await measure(service, program, shape, directory));
    }
    for (const figure of figures) printFigure(shape, figure, [...runs.values()]);
  }
}

/** A mapping has a page at least. */
function shapes(): TargetShape[] {
  const list = (text: string) => text.split(",").map(Number);
  const all = list(values.sizes).flatMap((sizeMiB) => list(values.mappings).map((mappings) => ({ sizeMiB, mappings })));
  return all.filter(({ sizeMiB, mappings }) => mappings <= sizeMiB * 256);
}

function printFigure(
  { sizeMiB, mappings }: TargetShape,
  { name, title, unit }: Figure,
  runs: readonly Measured[][],
): void {
  const medians = runs.map((measured) => median(measured.map((one) => one[name])));
  const [ours = Number.NaN, theirs] = medians;
  const shown = medians.map((value) => `${value.toFixed(value < 100 ? 2 : 0)} ${unit}`);
  print([
    `${sizeMiB} MiB${mappings === 1 ? "" : `/${mappings}`}`,
    title,
    ...shown,
    theirs === undefined ? "" : (ours / theirs).toFixed(2),
  ]);
}

function print(cells: readonly string[]): void {
  const padded = cells.map((cell, column) =>
    column < 2 ? cell.padEnd(columns[column] ?? 0) : cell.padStart(columns[column] ?? 0),
  );
  process.stdout.write(`${padded.join(" ").trimEnd()}\n`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1);
  return (low + high) / 2;
}
