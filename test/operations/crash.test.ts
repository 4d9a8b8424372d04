// The engine is killed at a random moment, as a machine short of memory would do it: a program that was being dumped works on as if
// nothing had been, one that was being restored is there as a whole or not at all.
//
// STASIS_CRASH_RUNS: how often each; STASIS_CRASH_SEED: the moments of a run that failed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { PR } from "../../src/kernel/abi/prctl.js";
import { W } from "../../src/kernel/abi/process.js";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { unless } from "../../src/kernel/errno.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { listThreads } from "../../src/kernel/proc/tasks.js";
import { sys } from "../../src/kernel/syscalls.js";
import { endingWith, startService, treeOf, until } from "../scenarios/round-trip.js";
import { type Program, startProgram } from "../support/program.js";

const RUNS = Number(process.env["STASIS_CRASH_RUNS"] ?? 12);
const SEED = Number(process.env["STASIS_CRASH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const engineScript = fileURLToPath(new URL("engine.js", import.meta.url));

class Engine {
  readonly #exited: Promise<unknown>;

  private constructor(readonly child: ChildProcess) {
    this.#exited = once(child, "exit");
  }

  /** Started and loaded; in a session of its own, by which what it makes is known. */
  static async start(...args: readonly string[]): Promise<Engine> {
    const child = spawn(process.execPath, [engineScript, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    return new Engine(child);
  }

  go(): void {
    this.child.stdin?.write(".");
  }

  async done(): Promise<void> {
    assert.ok(this.child.stdout);
    await Promise.race([once(this.child.stdout, "data"), this.#exited]);
    assert.equal(this.child.exitCode, null, "the engine failed");
  }

  /** Without a turn of the event loop in between: timers are no more exact than a millisecond. */
  killAfter(us: number): void {
    this.go();
    const end = process.hrtime.bigint() + BigInt(Math.round(us * 1000));
    while (process.hrtime.bigint() < end);
    this.child.kill("SIGKILL");
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

/** Microseconds from the word to the end, of an engine that is left alone. */
async function measure(engine: Engine): Promise<number> {
  const start = process.hrtime.bigint();
  engine.go();
  await engine.done();
  return Number((process.hrtime.bigint() - start) / 1000n);
}

/** Programs that count the rounds of their workers. */
const subjects = {
  busy: { workers: 11, processes: 2, what: "a program" },
  connected: { workers: 3, processes: 1, what: "a program with TCP connections in use" },
  confined: { workers: 3, processes: 3, what: "a program under seccomp" },
} as const;

/** The rounds of every worker: busy.c. */
function beats({ directory, comm }: Program): bigint[] {
  const { workers } = subjects[comm as keyof typeof subjects];
  const bytes = readFileSync(join(directory, "beats"));
  return [...new BigUint64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + workers * 8))];
}

async function worksOn(program: Program): Promise<void> {
  const before = beats(program);
  await until(
    "every worker goes on",
    () => standingStill(program, before).length === 0 || program.output() !== "ready\n",
  ).catch(() => undefined);
  assert.equal(program.output(), "ready\n");
  assert.deepEqual(standingStill(program, before), [], "workers that stand still");
}

/** Workers that have not done a whole round since. */
function standingStill(program: Program, before: readonly bigint[]): number[] {
  return beats(program).flatMap((now, worker) => (now > (before[worker] ?? 0n) + 1n ? [] : [worker]));
}

function isTraced(pid: Pid): boolean {
  return listThreads(pid).some((tid) => (readStatus(tid)?.tracerPid ?? 0) !== 0);
}

/** Random moments between the first and the last microsecond. */
const moments = (longestUs: number) =>
  fc.sample(fc.integer({ min: 0, max: Math.round(longestUs) }), { numRuns: RUNS, seed: SEED });

function newDirectory() {
  const path = mkdtempSync(join(tmpdir(), "crash-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

for (const [name, { what, processes }] of Object.entries(subjects)) {
  test(`${what} works on whenever the engine that dumps it is killed (${RUNS} times, seed ${SEED})`, async (t) => {
    await using program = await startProgram(name);
    using _tree = endingWith(program.pid);
    using images = newDirectory();
    const start = () => Engine.start("dump", images.path, String(program.pid));
    const longestUs = await measureOne(start);
    let complete = 0;
    for (const us of moments(longestUs)) {
      rmSync(join(images.path, "inventory.img"), { force: true });
      await using engine = await start();
      engine.killAfter(us);
      await engine.gone();
      await worksOn(program);
      const left = () => [...treeOf(program.pid).slice(processes), ...leftOf(inSession(engine.child.pid ?? 0))];
      await until("nothing of ours is left", () => left().length === 0).catch(() =>
        assert.fail(left().map(describe).join("\n")),
      );
      assert.ok(!treeOf(program.pid).some(isTraced));
      if (existsSync(join(images.path, "inventory.img"))) complete++;
    }
    t.diagnostic(`the longest dump took ${longestUs} us, ${complete} of ${RUNS} were complete`);
    program.signal("SIGUSR2");
    await program.waitFor("restored");
  });

  // What a killed program says to the other side of a connection, both ends ours, stands in the way of the next restore for a minute.
  if (name === "connected") continue;
  test(`${what} is there as a whole or not at all when the engine that restores it is killed (${RUNS} times, seed ${SEED})`, async (t) => {
    // What the engine leaves behind becomes ours, and is reaped at once.
    sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
    await using program = await startProgram(name);
    const tree = treeOf(program.pid);
    using _tree = endingWith(program.pid);
    await using service = await startService();
    const images = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory: images });
    await until("it is gone", () => leftOf(tree).length === 0);
    const start = () => Engine.start("restore", images);
    const longestUs = await measureOne(start);
    await killed(program, tree);
    let whole = 0;
    for (const us of moments(longestUs)) {
      await using engine = await start();
      engine.killAfter(us);
      const before = beats(program);
      await until(
        "it works on or is gone",
        () => leftOf(tree).length === 0 || standingStill(program, before).length === 0,
      ).catch(() => assert.fail(leftOf(tree).map(describe).join("\n")));
      await until("nothing else is left", () => leftOf(inSession(engine.child.pid ?? 0)).length === 0).catch(
        () => undefined,
      );
      assert.deepEqual(leftOf(inSession(engine.child.pid ?? 0)).map(describe), [], "of the engine");
      if (leftOf(tree).length === 0) continue;
      whole++;
      await killed(program, tree);
    }
    t.diagnostic(`the longest restore took ${longestUs} us, ${whole} of ${RUNS} were there as a whole`);
    assert.equal(program.output(), "ready\n");
  });
}

async function measureOne(start: () => Promise<Engine>): Promise<number> {
  await using engine = await start();
  return await measure(engine);
}

/** Those that are there; zombies of ours go away. */
function leftOf(pids: readonly Pid[]): Pid[] {
  for (const pid of pids) unless("ECHILD", () => sys.wait4(pid, null, W.__WALL | W.WNOHANG, null));
  return pids.filter((pid) => readStat(pid) !== undefined);
}

const describe = (pid: Pid) =>
  `${pid} ${JSON.stringify(readStat(pid), (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))}`;

function inSession(leader: number): Pid[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((name) => asPid(Number(name))).filter((pid) => pid !== leader && readStat(pid)?.session === leader);
}

async function killed(program: Program, tree: readonly Pid[]): Promise<void> {
  await program.end();
  await until("it is gone", () => leftOf(tree).length === 0);
}
