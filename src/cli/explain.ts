// `stasis explain PID [--json]`
import { asFd } from "../kernel/brand.js";
import { type Explanation, explainTree } from "../operations/explain.js";
import { type Given, settle } from "../options/index.js";
import { dumpOptions } from "../options/views.js";
import { asLevel, LineLog } from "../report/log.js";
import { explain } from "../service/failure.js";
import { Misused } from "./command-line.js";
import { showBytes } from "./units.js";

const STDERR = asFd(2);

/** Result: the exit status: 0 when nothing that can be seen would stop a dump with these options. */
export function explainCommand(given: Given, operands: readonly string[]): number {
  const options = settle(given, "explain");
  const [word, ...more] = operands;
  const pid = word === undefined ? options.pid : Number(word);
  if (pid === undefined || more.length > 0 || !Number.isInteger(pid) || pid <= 0)
    throw new Misused("usage: stasis explain PID [--json] [the options of the dump]");
  const log = new LineLog(STDERR, asLevel(options.logLevel), { owned: false });
  try {
    const explanation = explainTree(dumpOptions(options, pid), log);
    process.stdout.write(
      options.json ? `${JSON.stringify(explanation, undefined, 2)}\n` : showExplanation(explanation),
    );
    return explanation.obstacles.length === 0 ? 0 : 1;
  } catch (thrown) {
    const error = explain(thrown, "explain", { kind: "host", what: `the tree under pid ${pid}` });
    if (options.json) process.stdout.write(`${JSON.stringify({ obstacles: [error.message] }, undefined, 2)}\n`);
    log.failure(error);
    return 1;
  }
}

export function showExplanation({
  tasks,
  files,
  sockets,
  sharedMemoryBytes,
  imageBytes,
  obstacles,
}: Explanation): string {
  const lines = [
    `${count(tasks.length, "process", "processes")}, images of about ${showBytes(imageBytes)}`,
    ...tasks.map(
      ({ pid, comm, state, threads, descriptors, memoryBytes }) =>
        `  ${String(pid).padStart(7)} ${comm.padEnd(16)} ` +
        (state === "zombie"
          ? "has ended, and is not waited for yet"
          : `${count(threads, "thread")}, ${count(descriptors, "descriptor")}, ${showBytes(memoryBytes)} of memory`),
    ),
    ...(sharedMemoryBytes > 0 ? [`Shared memory: ${showBytes(sharedMemoryBytes)}`] : []),
    "Open and mapped files:",
    ...files.map(({ count: number, summary }) => `  ${String(number).padStart(7)} ${summary}`),
    ...(sockets.length === 0 ? [] : ["Sockets:"]),
    ...sockets.map(
      ({ type, kind, state, local, remote }) =>
        `  ${type} ${kind}, ${state}${local === "" ? "" : `, ${local}`}${remote === "" ? "" : ` to ${remote}`}`,
    ),
    ...(obstacles.length === 0
      ? ["Nothing that can be seen from outside would stop a dump."]
      : ["A dump would be refused:", ...obstacles.map((sentence) => `  ${sentence}`)]),
    "Not seen while it runs: registers, filters of seccomp, what waits in sockets and terminals.",
  ];
  return lines.map((line) => `${line}\n`).join("");
}

const count = (number: number, one: string, more = `${one}s`) => `${number} ${number === 1 ? one : more}`;
