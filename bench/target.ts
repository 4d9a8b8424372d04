// The program that is dumped: target.c, compiled with the gcc of the machine.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sys } from "../src/kernel/syscalls.js";
import { running } from "./running.js";

const SOURCE = fileURLToPath(new URL("../../bench/target.c", import.meta.url));
/** include/uapi/linux/close_range.h */
const CLOSE_RANGE_CLOEXEC = 4;
const POLL_MS = 2;
const TIMEOUT_MS = 60_000;
const REPORT_BYTES = 4096;

/** A running target; its pid stays the same when it is dumped and restored. */
export interface Target extends AsyncDisposable {
  readonly pid: number;
  /** Forgets the gaps so far. */
  resetPause(): void;
  /** The longest gap between two of its clock readings since then. */
  longestPauseMs(): number;
  /** Rejects when it does not read its clock. */
  running(): Promise<void>;
  gone(): Promise<void>;
}

/** Result: the path of the program. */
export function compileTarget(directory: string): string {
  const path = join(directory, "target");
  execFileSync("gcc", ["-O2", "-o", path, SOURCE]);
  return path;
}

export interface TargetShape {
  readonly sizeMiB: number;
  /** How many mappings the memory is in. */
  readonly mappings: number;
  /** Itself and children that do nothing. */
  readonly processes: number;
  readonly files: number;
  readonly sockets: number;
  /** The processes have a listening socket in common. */
  readonly sharesSocket: boolean;
}

/** Starts a target in a session of its own and waits until its memory is filled. */
export async function startTarget(
  program: string,
  { sizeMiB, mappings, processes, files, sockets, sharesSocket }: TargetShape,
  directory: string,
): Promise<Target> {
  mkdirSync(join(directory, "files"), { recursive: true });
  const report = join(directory, "report");
  writeFileSync(report, new Uint8Array(REPORT_BYTES));
  // What whoever runs the bench left open would be state of the target.
  sys.close_range(3, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  const counts = [mappings, processes, files, sockets, Number(sharesSocket)];
  const child = spawn(program, [String(sizeMiB), report, ...counts.map(String)], {
    cwd: directory,
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`${program} has no pid`);
  running.add(child.pid);
  const target = describe(child.pid, openSync(report, "r+"));
  await target.running();
  return target;
}

function describe(pid: number, report: number): Target {
  const word = (index: number) => {
    const bytes = Buffer.alloc(8);
    readSync(report, bytes, 0, 8, index * 8);
    return bytes.readBigUInt64LE();
  };
  const until = async (what: string, condition: () => boolean) => {
    for (const deadline = performance.now() + TIMEOUT_MS; !condition(); await sleep(POLL_MS))
      if (performance.now() > deadline) throw new Error(`the target (pid ${pid}) ${what}`);
  };
  // Its number is free only when no process group has it either: members that nobody has reaped yet count.
  const gone = () => until("does not go away", () => !signalGroup(pid, 0));
  return {
    pid,
    resetPause: () => void writeSync(report, new Uint8Array(8), 0, 8, 0),
    longestPauseMs: () => Number(word(0)) / 1e6,
    async running() {
      const before = word(1);
      await until("does not run", () => word(1) > before + 1n);
    },
    gone,
    async [Symbol.asyncDispose]() {
      closeSync(report);
      running.delete(pid);
      if (signalGroup(pid, "SIGKILL")) await gone();
    },
  };
}

/** False: nobody is in it. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}
