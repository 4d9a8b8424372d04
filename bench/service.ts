// A service to be measured, ours or another of criurpc, and the memory of its processes: proc(5), VmHWM.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CriuClient, connect } from "../src/index.js";
import { running } from "./running.js";

const SAMPLE_MS = 10;
/** How much longer than a look at a family the pause after it is: with a thousand members it takes a while. */
const PAUSES_PER_LOOK = 20;
const RETRY_MS = 20;
const QUIET_MS = 200;
const QUIET_TIMEOUT_MS = 30_000;
const START_TIMEOUT_MS = 15_000;

export interface Watched {
  readonly wallMs: number;
  readonly peakMiB: number;
}

export interface Service extends AsyncDisposable {
  readonly name: string;
  readonly criu: CriuClient;
  /**
   * Runs `work` and watches meanwhile: its wall time, and the largest resident size that one process of the service had. A child
   * that becomes the task `targetPid` is not counted.
   */
  watched(work: () => Promise<unknown>, targetPid?: number): Promise<Watched>;
  /** Waits until it does nothing: what it prepares for its next client would share our processors with the other service. */
  quiet(): Promise<void>;
}

/** Starts `binary service` with its socket and log in `directory`, and waits until it answers. */
export async function startService(name: string, binary: string, directory: string): Promise<Service> {
  const address = join(directory, `${name}.socket`);
  const log = openSync(join(directory, `${name}.log`), "w");
  const child = spawn(binary, ["service", "--address", address], { cwd: directory, stdio: ["ignore", log, log] });
  closeSync(log);
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`${binary} has no pid`);
  const pid = child.pid;
  running.add(pid);
  const criu = connect(address);
  await untilListening(criu);
  return {
    name,
    criu,
    watched: (work, targetPid) => watch(pid, work, targetPid),
    quiet: () => untilQuiet(pid),
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      if (child.exitCode === null && child.kill("SIGTERM")) await ended;
      running.delete(pid);
    },
  };
}

/** Waits until a service answers. */
async function untilListening(criu: CriuClient): Promise<void> {
  for (const deadline = performance.now() + START_TIMEOUT_MS; ; await sleep(RETRY_MS)) {
    try {
      await criu.version();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

async function watch(pid: number, work: () => Promise<unknown>, targetPid?: number): Promise<Watched> {
  const executable = readlinkSync(`/proc/${pid}/exe`);
  let peakKiB = 0;
  let timer: NodeJS.Timeout | undefined;
  const sample = () => {
    const from = performance.now();
    for (const one of family(pid)) if (one !== targetPid) peakKiB = Math.max(peakKiB, highWaterKiB(one, executable));
    timer = setTimeout(sample, Math.max(SAMPLE_MS, (performance.now() - from) * PAUSES_PER_LOOK));
  };
  timer = setTimeout(sample, SAMPLE_MS);
  const start = performance.now();
  try {
    await work();
    return { wallMs: performance.now() - start, peakMiB: peakKiB / 1024 };
  } finally {
    clearTimeout(timer);
  }
}

async function untilQuiet(pid: number): Promise<void> {
  const deadline = performance.now() + QUIET_TIMEOUT_MS;
  for (let [used, before] = [usedTicks(pid), Number.NaN]; used !== before; [used, before] = [usedTicks(pid), used]) {
    if (performance.now() > deadline) throw new Error(`the service ${pid} is busy with nothing to do`);
    await sleep(QUIET_MS);
  }
}

/** Processor time of a process and its descendants, in clock ticks. */
const usedTicks = (pid: number) => family(pid).reduce((sum, one) => sum + ticksOf(one), 0);

/** utime and stime, the 14th and 15th of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0; // it ended meanwhile
  }
}

/** The process and its descendants. */
function family(root: number): number[] {
  const found = [root];
  for (const one of found) found.push(...childrenOf(one));
  return found;
}

/** None when it ended meanwhile. */
function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((tid) => readFileSync(`/proc/${pid}/task/${tid}/children`, "utf8"));
    return lists.flatMap((list) => list.split(" ").filter((word) => word !== "")).map(Number);
  } catch {
    return [];
  }
}

/** 0 for what runs another program: a target, restored or copied, is not the engine. */
function highWaterKiB(pid: number, executable: string): number {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === executable ? field(pid, "VmHWM") : 0;
  } catch {
    return 0; // it ended meanwhile
  }
}

/** A number of /proc/PID/status; 0 when the process ended meanwhile. */
function field(pid: number, name: string): number {
  try {
    const line = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`^${name}:\\s+(\\d+)`, "m"));
    return Number(line?.[1] ?? 0);
  } catch {
    return 0;
  }
}
