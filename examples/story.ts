// The demonstration itself, step by step. Everything it makes is in one temporary directory, and goes with it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type CriuClient, connect, type Notification } from "../src/index.js";
import { asPid } from "../src/kernel/brand.js";
import { readStat } from "../src/kernel/proc/stat.js";
import { readStatus } from "../src/kernel/proc/status.js";
import { sys } from "../src/kernel/syscalls.js";
import type { Line } from "./counter.js";

const STASIS = fileURLToPath(new URL("../../bin/stasis", import.meta.url));
const COUNTER = fileURLToPath(new URL("./counter.js", import.meta.url));
/** include/uapi/linux/close_range.h */
const CLOSE_RANGE_CLOEXEC = 4;
const TIMEOUT_MS = 20_000;
const POLL_MS = 5;
const RUN_MS = 700;

export async function story(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "stasis-demo-"));
  const started: ChildProcess[] = [];
  const end = () => {
    for (const { pid } of started) if (pid !== undefined) kill(pid);
    rmSync(directory, { recursive: true, force: true });
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      end();
      process.exit(1);
    });
  try {
    await using criu = await startService(directory, started);
    const { pid, lines } = await startCounter(directory, started);
    await dumpAndRestore(directory, criu, pid, lines);
  } catch (error) {
    say(`Failed: ${error instanceof Error ? error.message : error}`);
    say(logs(directory));
    process.exitCode = 1;
  } finally {
    await stop(started[0]);
    end();
  }
}

async function startService(directory: string, started: ChildProcess[]): Promise<CriuClient> {
  const address = join(directory, "service.socket");
  const log = openSync(join(directory, "service.log"), "a");
  const service = spawn(process.execPath, [STASIS, "service", "--address", address], {
    cwd: directory,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  started.push(service);
  await once(service, "spawn");
  const criu = connect(address);
  const tookMs = await timed(() => untilListening(criu));
  say(`service    listens on ${address} (${ms(tookMs)})`);
  return criu;
}

async function untilListening(criu: CriuClient): Promise<void> {
  for (const deadline = performance.now() + TIMEOUT_MS; ; await sleep(POLL_MS)) {
    try {
      await criu.version();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** Stops the service as an administrator would, so that it takes its workers and its socket along. */
async function stop(service: ChildProcess | undefined): Promise<void> {
  if (service === undefined || service.exitCode !== null || service.signalCode !== null) return;
  const ended = once(service, "exit");
  service.kill("SIGTERM");
  await ended;
}

async function startCounter(directory: string, started: ChildProcess[]) {
  const path = join(directory, "counter.log");
  const output = openSync(join(directory, "counter.out"), "a");
  // What the shell left open would be state of the program.
  sys.close_range(3, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  const program = spawn(process.execPath, [COUNTER, path], {
    cwd: directory,
    detached: true, // setsid(2)
    stdio: ["ignore", output, output],
    env: { UV_USE_IO_URING: "0" },
  });
  closeSync(output);
  program.unref();
  started.push(program);
  await once(program, "spawn");
  const pid = program.pid ?? 0;
  const lines = () => readLines(path);
  await until("the program counts", () => lines().length > 1);
  await sleep(RUN_MS);
  say(
    `program    pid ${pid}, ${readStatus(asPid(pid))?.threads} threads, ${residentMiB(pid)} MiB of memory: ${show(lines())}`,
  );
  return { pid, lines };
}

async function dumpAndRestore(directory: string, criu: CriuClient, pid: number, lines: () => readonly Line[]) {
  const imagesDirectory = join(directory, "images");
  mkdirSync(imagesDirectory);
  say("dump       asked for over criurpc");
  const dumpMs = await timed(() => criu.dump({ pid, imagesDirectory, logFile: "dump.log" }, { onNotify }));
  say(`           done in ${ms(dumpMs)}: ${sizeOfImages(imagesDirectory)}`);

  await until("the program is gone", () => readStat(asPid(pid)) === undefined);
  const before = lines();
  await sleep(RUN_MS);
  if (lines().length !== before.length) throw new Error("the program counts on although it was dumped");
  say(`gone       pid ${pid} does not exist; for ${RUN_MS} ms nobody counted: ${show(before)}`);

  say("restore    asked for over criurpc");
  const restoreMs = await timed(() => criu.restore({ imagesDirectory, logFile: "restore.log" }, { onNotify }));
  say(`           done in ${ms(restoreMs)}`);
  await until("the restored program counts", () => lines().length > before.length);
  await sleep(RUN_MS);
  const after = lines();
  checkCount(before, after);
  say(`back       pid ${pid} again, ${readStatus(asPid(pid))?.threads} threads: ${show(after)}`);
  const [last, first] = [after[before.length - 1], after[before.length]];
  const pauseMs = (first?.atMs ?? 0) - (last?.atMs ?? 0);
  say(`           tick ${last?.tick} is followed by tick ${first?.tick}: no gap, no repeat`);
  say(`times      dump ${ms(dumpMs)}, gone on purpose ${RUN_MS} ms, restore ${ms(restoreMs)}; the program's own clock`);
  say(`           shows a pause of ${ms(pauseMs)}`);
}

function onNotify({ script }: Notification): boolean {
  say(`           notified of ${script}`);
  return true;
}

function sizeOfImages(directory: string): string {
  const names = readdirSync(directory).filter((name) => name.endsWith(".img"));
  const bytes = names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  return `${names.length} images, ${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Every tick once, in order, and every thread further than it was. */
function checkCount(before: readonly Line[], after: readonly Line[]): void {
  const wrong = after.findIndex(({ tick }, index) => tick !== index);
  if (wrong !== -1) throw new Error(`line ${wrong + 1} of the program's file has tick ${after[wrong]?.tick}`);
  const [old, now] = [before.at(-1)?.counts ?? [], after.at(-1)?.counts ?? []];
  const stuck = now.findIndex((count, thread) => count <= (old[thread] ?? 0));
  if (stuck !== -1) throw new Error(`thread ${stuck} stands at ${now[stuck]}`);
}

const readLines = (path: string): readonly Line[] =>
  existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line): Line => JSON.parse(line))
    : [];

const show = (lines: readonly Line[]) => {
  const { tick, counts = [], entries } = lines.at(-1) ?? {};
  return `tick ${tick}, threads at ${counts.join(" ")}, ${entries} entries in its map`;
};

function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kib) / 1024);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + TIMEOUT_MS; !condition(); await sleep(POLL_MS))
    if (performance.now() > deadline) throw new Error(`waited ${TIMEOUT_MS} ms until ${what}`);
}

function kill(pid: number): void {
  if (readStat(asPid(pid)) !== undefined) process.kill(pid, "SIGKILL");
}

/** What the logs have to say of a failure. */
function logs(directory: string): string {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(log|out)$/.test(name),
  );
  const lines = names
    .filter((name) => name !== "counter.log")
    .flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"));
  return lines
    .filter((line) => line !== "")
    .slice(-20)
    .join("\n");
}

const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const say = (line: string) => void process.stdout.write(`${line}\n`);
