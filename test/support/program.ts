// Programs for the tests to dump: C sources beside the tests, compiled on demand, started as leaders of their own session.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { runs32BitCode } from "../../src/kernel/code-32.js";
import { readSyscall, readWchan } from "../../src/kernel/proc/sleep.js";
import { readStat, readThreadStat } from "../../src/kernel/proc/stat.js";
import { readThreadStatus } from "../../src/kernel/proc/status.js";
import { listChildren, listThreads } from "../../src/kernel/proc/tasks.js";
import { sys } from "../../src/kernel/syscalls.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const built = join(root, "dist/programs");
const header = join(root, "test/support/program.h");

/** A program that runs, or ran and was restored with the same pid and the same output file. */
export interface Program extends AsyncDisposable {
  readonly pid: Pid;
  readonly comm: string;
  /** Where it may put files; removed when the program is disposed. */
  readonly directory: string;
  /** Everything that it has said so far. */
  output(): string;
  /** Waits for a line that it says; the result is what it has said by then. Rejects with that when it takes too long or ends before. */
  waitFor(line: string, timeoutMs?: number): Promise<string>;
  /** Sends a signal: SIGUSR2 is what wait_until_told() of program.h waits for. */
  signal(signal: NodeJS.Signals): void;
  /** Waits until no process has its pid any more, zombies included. */
  gone(timeoutMs?: number): Promise<void>;
  /** Kills its whole process group, restored or not. */
  end(): Promise<void>;
}

export interface ProgramOptions {
  readonly arguments?: readonly string[];
  readonly linked?: Linking;
  readonly environment?: Readonly<Record<string, string>>;
  /** What it says when its state is made. */
  readonly readyLine?: string;
}

/** "compat": 32-bit code, for machines that run it. */
export type Linking = "static" | "dynamic" | "compat";
const linkFlags = { dynamic: [], static: ["-static"], compat: ["-m32", "-msse2", "-mfpmath=sse", "-no-pie"] } as const;

/** Why programs of 32-bit code are skipped. */
export const no32BitCode = runs32BitCode() ? false : "this machine runs no 32-bit code";

/** include/uapi/linux/close_range.h */
const CLOSE_RANGE_CLOEXEC = 4;
const TIMEOUT_MS = 20_000;
const POLL_MS = 5;

/**
 * Starts the program whose source is NAME.c somewhere under test/, in a directory of its own, stdin from /dev/null, output to a file, and waits until it says "ready".
 * `await using program = await startProgram("eventfd")` ends it with the scope.
 */
export async function startProgram(name: string, options: ProgramOptions = {}): Promise<Program> {
  return startExecutable(buildProgram(name, options.linked ?? "dynamic"), options);
}

/** The same for a program that is installed. `readyLine` is what it says when it may be dumped; "" does not wait. */
export async function startExecutable(path: string, options: ProgramOptions = {}): Promise<Program> {
  const directory = mkdtempSync(join(tmpdir(), `${basename(path)}-`));
  const log = join(directory, "output");
  const output = openSync(log, "a", 0o644);
  // What the shell of whoever runs the tests left open would be state of the program.
  sys.close_range(3, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  const child = spawn(path, options.arguments ?? [], {
    cwd: directory,
    detached: true, // setsid(2)
    stdio: ["ignore", output, output],
    env: { PATH: process.env["PATH"], ...options.environment },
  });
  closeSync(output);
  child.unref(); // a failed test shall end all the same
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`${path} has no pid`);
  const program = describe(asPid(child.pid), basename(path).slice(0, 15), directory, log);
  const line = options.readyLine ?? "ready";
  try {
    if (line !== "") await program.waitFor(line);
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
  return program;
}

function describe(pid: Pid, comm: string, directory: string, log: string): Program {
  const output = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  const program: Program = {
    pid,
    comm,
    directory,
    output,
    async waitFor(line, timeoutMs = TIMEOUT_MS) {
      const said = () => output().split("\n").includes(line);
      const ended = () => hasEnded(pid);
      await until(() => said() || ended(), timeoutMs);
      if (said()) return output();
      const state = ended() ? "ended" : `did not in ${timeoutMs} ms:\n${whereabouts(pid)}\n`;
      throw new Error(`${comm} (pid ${pid}) was to say ${JSON.stringify(line)} and ${state}; it said:\n${output()}`);
    },
    signal: (signal) => void process.kill(pid, signal),
    async gone(timeoutMs = TIMEOUT_MS) {
      const state = () => readStat(pid)?.state;
      await until(() => state() === undefined, timeoutMs);
      if (state() !== undefined) throw new Error(`pid ${pid} is still there after ${timeoutMs} ms, state ${state()}`);
    },
    async end() {
      killGroup(pid);
      await until(() => hasEnded(pid), TIMEOUT_MS);
    },
    async [Symbol.asyncDispose]() {
      await program.end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return program;
}

/** What every thread of its tree is doing, a line each. */
function whereabouts(pid: Pid): string {
  const threads = listThreads(pid).map((tid) => {
    const { comm, state } = readThreadStat(pid, tid) ?? {};
    const { tracerPid, sigBlk, sigPnd, shdPnd } = readThreadStatus(pid, tid) ?? {};
    const signals = [sigBlk, sigPnd, shdPnd].map((set) => set?.toString(16)).join(" ");
    const call = readSyscall(pid, tid);
    const place =
      call && `${call.number}(${call.args.map((arg) => arg.toString(16)).join(", ")}) ${readWchan(pid, tid)}`;
    return `${pid}/${tid} ${comm} ${state}, tracer ${tracerPid}, blocked and pending ${signals}, in ${place}`;
  });
  return [...threads, ...listChildren(pid).map(whereabouts)].join("\n");
}

/** A first thread that ended before others is a zombie, too. */
function hasEnded(pid: Pid): boolean {
  const stat = readStat(pid);
  return stat === undefined || (stat.state === "Z" && stat.numThreads <= 1);
}

function killGroup(pid: Pid): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

async function until(holds: () => boolean, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** Compiles NAME.c from somewhere under test/ when it or program.h is newer than the executable; result: the executable. */
export function buildProgram(name: string, linked: Linking = "dynamic"): string {
  const source = sourceOf(name);
  const executable = join(built, linked === "dynamic" ? name : `${name}-${linked}`);
  const newest = Math.max(statSync(source).mtimeMs, statSync(header).mtimeMs);
  const isBuilt = () => existsSync(executable) && statSync(executable).mtimeMs > newest;
  if (isBuilt()) return executable;
  mkdirSync(built, { recursive: true });
  // Test files run at the same time: each compiles to a name of its own, and the first one wins. It may be running already.
  const fresh = `${executable}.${process.pid}`;
  const flags = ["-O1", "-g", "-Wall", "-Wextra", "-pthread", `-I${join(root, "test/support")}`];
  execFileSync("gcc", [...flags, ...linkFlags[linked], "-o", fresh, source], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (isBuilt()) rmSync(fresh);
  else renameSync(fresh, executable);
  return executable;
}

function sourceOf(name: string): string {
  const sources = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
  const found = sources.filter((path) => basename(path) === `${name}.c`);
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`test/ has ${found.length} files ${name}.c, one is wanted`);
  return join(root, "test", only);
}
