// An engine in a process of its own, to which bad things can be done; and what it leaves behind.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { W } from "../../src/kernel/abi/process.js";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { unless } from "../../src/kernel/errno.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { listThreads } from "../../src/kernel/proc/tasks.js";
import { sys } from "../../src/kernel/syscalls.js";

const engineScript = fileURLToPath(new URL("engine.js", import.meta.url));

export class Engine {
  readonly #exited: Promise<unknown>;
  /** What it has said of its failure. */
  complaint = "";

  private constructor(readonly child: ChildProcess) {
    this.#exited = once(child, "exit");
    child.stderr?.on("data", (said: Buffer) => {
      this.complaint += said.toString();
    });
    child.stdin?.on("error", () => undefined); // it may have ended before it is told anything
  }

  /** Started and loaded; in a session of its own, by which what it makes is known. */
  static async start(...args: readonly string[]): Promise<Engine> {
    const child = spawn(process.execPath, [engineScript, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    return new Engine(child);
  }

  go(): void {
    this.child.stdin?.write(".");
  }

  /** Until it has done what it was told to, or has failed and ended; result: whether it did. It may end before what it said is read. */
  async ended(): Promise<boolean> {
    assert.ok(this.child.stdout);
    await Promise.race([once(this.child.stdout, "data"), this.#exited]);
    const { exitCode, signalCode } = this.child;
    return signalCode === null && (exitCode ?? 0) === 0;
  }

  async done(): Promise<void> {
    assert.ok(await this.ended(), `the engine failed: ${this.complaint}`);
  }

  /** Without a turn of the event loop in between: timers are no more exact than a millisecond. */
  killAfter(us: number): void {
    this.signalAfter(us, "SIGKILL");
  }

  signalAfter(us: number, signal: NodeJS.Signals): void {
    this.go();
    const end = process.hrtime.bigint() + BigInt(Math.round(us * 1000));
    while (process.hrtime.bigint() < end);
    this.child.kill(signal);
  }

  /** Until the kernel has let go of whatever it traced, which it does before the exit is told. */
  async gone(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.gone();
  }
}

export function isTraced(pid: Pid): boolean {
  return listThreads(pid).some((tid) => (readStatus(tid)?.tracerPid ?? 0) !== 0);
}

export function newDirectory() {
  const path = mkdtempSync(join(tmpdir(), "crash-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Those that are there; zombies of ours go away. */
export function leftOf(pids: readonly Pid[]): Pid[] {
  for (const pid of pids) unless("ECHILD", () => sys.wait4(pid, null, W.__WALL | W.WNOHANG, null));
  return pids.filter((pid) => readStat(pid) !== undefined);
}

export const describe = (pid: Pid) =>
  `${pid} ${JSON.stringify(readStat(pid), (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))}`;

export function inSession(leader: number): Pid[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((name) => asPid(Number(name))).filter((pid) => pid !== leader && readStat(pid)?.session === leader);
}
