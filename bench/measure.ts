// What is measured: one target is dumped and left running, dumped for good, and restored.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Service } from "./service.js";
import { startTarget, type Target, type TargetShape } from "./target.js";

/** What both write to their logs: warnings and errors. */
const LOG = { logLevel: 2, logFile: "bench.log" } as const;

export const figures = [
  { name: "dumpMs", title: "dump", unit: "ms" },
  { name: "leaveRunningMs", title: "dump --leave-running", unit: "ms" },
  { name: "pauseMs", title: "longest pause of that dump", unit: "ms" },
  { name: "restoreMs", title: "restore", unit: "ms" },
  { name: "dumpPeakMiB", title: "peak memory, dump", unit: "MiB" },
  { name: "leaveRunningPeakMiB", title: "peak memory, --leave-running", unit: "MiB" },
  { name: "restorePeakMiB", title: "peak memory, restore", unit: "MiB" },
] as const;
export type Figure = (typeof figures)[number];
export type Measured = Readonly<Record<Figure["name"], number>>;

/** One run against one service. `directory` takes the images and is empty again afterwards, but for the services' own files. */
export async function measure(
  service: Service,
  program: string,
  shape: TargetShape,
  directory: string,
): Promise<Measured> {
  await using target = await startTarget(program, shape, directory);
  const left = await inImages(directory, (images) => leaveRunning(service, target, images));
  const gone = await inImages(directory, (images) => dumpAndRestore(service, target, images));
  return { ...left, ...gone };
}

async function leaveRunning({ criu, watched }: Service, target: Target, imagesDirFd: number) {
  const { pid } = target;
  target.resetPause();
  const dump = await watched(() => criu.dump({ pid, imagesDirFd, leaveRunning: true, ...LOG }));
  await target.running();
  return { leaveRunningMs: dump.wallMs, leaveRunningPeakMiB: dump.peakMiB, pauseMs: target.longestPauseMs() };
}

async function dumpAndRestore({ criu, watched }: Service, target: Target, imagesDirFd: number) {
  const { pid } = target;
  const dump = await watched(() => criu.dump({ pid, imagesDirFd, ...LOG }));
  await target.gone();
  const restore = await watched(() => criu.restore({ imagesDirFd, ...LOG }), pid);
  await target.running();
  return {
    dumpMs: dump.wallMs,
    dumpPeakMiB: dump.peakMiB,
    restoreMs: restore.wallMs,
    restorePeakMiB: restore.peakMiB,
  };
}

async function inImages<T>(directory: string, work: (fd: number) => Promise<T>): Promise<T> {
  const path = join(directory, "images");
  mkdirSync(path);
  const fd = openSync(path, "r");
  try {
    return await work(fd);
  } catch (error) {
    throw new Error(`the log says:\n${complaints(path)}`, { cause: error });
  } finally {
    closeSync(fd);
    rmSync(path, { recursive: true });
  }
}

/** What the logs in a directory have to say of a failure. */
function complaints(directory: string): string {
  const logs = readdirSync(directory).filter((name) => name.endsWith(".log"));
  const lines = logs.flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"));
  return lines.filter((line) => /error|warn/i.test(line)).join("\n");
}
