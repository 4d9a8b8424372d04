// npm run bench -- --vs BINARY [--sizes 1,64,1024] [--mappings 1] [--tasks N,...] [--files N,...] [--sockets N,...] [--sharing N,...]
//   [--runs 5] [--ours BINARY] [--directory DIR]
// --mappings: the memory is in so many. --tasks: a tree of so many processes. --files, --sockets: so many in one process. --sharing: so many
// processes with one listening socket. The last four have 1 MiB of memory; without --sizes they are all that is measured.
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
    sizes: { type: "string" },
    mappings: { type: "string", default: "1" },
    tasks: { type: "string", default: "" },
    files: { type: "string", default: "" },
    sockets: { type: "string", default: "" },
    sharing: { type: "string", default: "" },
    runs: { type: "string", default: "5" },
    directory: { type: "string", default: tmpdir() },
  },
});

const plain = { sizeMiB: 1, mappings: 1, processes: 1, files: 0, sockets: 0, sharesSocket: false };
const columns = [20, 34, 12, 12, 8];

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
      for (const [service, measured] of inTurn) {
        for (const one of services) await one.quiet();
        measured.push(await measure(service, program, shape, directory));
      }
    }
    for (const figure of figures) printFigure(shape, figure, [...runs.values()]);
  }
}

function shapes(): TargetShape[] {
  const list = (text: string) => text.split(",").filter(Boolean).map(Number);
  const others: TargetShape[] = [
    ...list(values.tasks).map((processes) => ({ ...plain, processes })),
    ...list(values.files).map((files) => ({ ...plain, files })),
    ...list(values.sockets).map((sockets) => ({ ...plain, sockets })),
    ...list(values.sharing).map((processes) => ({ ...plain, processes, sharesSocket: true })),
  ];
  const sizes = list(values.sizes ?? (others.length > 0 ? "" : "1,64,1024"));
  const all = sizes.flatMap((sizeMiB) => list(values.mappings).map((mappings) => ({ ...plain, sizeMiB, mappings })));
  // A mapping has a page at least.
  return [...all.filter(({ sizeMiB, mappings }) => mappings <= sizeMiB * 256), ...others];
}

function nameOf({ sizeMiB, mappings, processes, files, sockets, sharesSocket }: TargetShape): string {
  if (sharesSocket) return `${processes} on one socket`;
  if (processes > 1) return `${processes} processes`;
  if (files > 0) return `${files} files`;
  if (sockets > 0) return `${sockets} sockets`;
  return `${sizeMiB} MiB${mappings === 1 ? "" : `/${mappings}`}`;
}

function printFigure(shape: TargetShape, { name, title, unit }: Figure, runs: readonly Measured[][]): void {
  const medians = runs.map((measured) => median(measured.map((one) => one[name])));
  const [ours = Number.NaN, theirs] = medians;
  const shown = medians.map((value) => `${value.toFixed(value < 100 ? 2 : 0)} ${unit}`);
  print([nameOf(shape), title, ...shown, theirs === undefined ? "" : (ours / theirs).toFixed(2)]);
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
