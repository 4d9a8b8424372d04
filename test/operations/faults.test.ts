// A call of the engine fails, any one of those that it makes: the program is as it was, its sockets work on, nothing of ours is left. strace(1) has the
// call fail from outside, so nothing in the engine knows of it: --inject, at the Nth call of one name.
//
// STASIS_FAULT_RUNS: at how many calls, spread evenly over all; STASIS_FAULT_AT: NAME:N, at one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PR } from "../../src/kernel/abi/prctl.js";
import type { Pid } from "../../src/kernel/brand.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { sys } from "../../src/kernel/syscalls.js";
import { endingWith, startService, treeOf, until } from "../scenarios/round-trip.js";
import { treeView } from "../support/kernel-view.js";
import { type Program, startProgram } from "../support/program.js";
import { socketView } from "../support/socket-view.js";
import { describe, Engine, inSession, isTraced, leftOf, newDirectory } from "./engine-process.js";

const RUNS = Number(process.env["STASIS_FAULT_RUNS"] ?? 3);
const ONLY = process.env["STASIS_FAULT_AT"];

const SPARED = [
  // The end, the way back from a signal, and how threads of node.js wait for each other.
  ...["exit", "exit_group", "rt_sigreturn", "futex", "restart_syscall", "epoll_wait", "epoll_pwait", "sched_yield"],
  // The kernel refuses neither to a tracer whose tracee is stopped and alive.
  ...["ptrace", "wait4"],
  // It closes the descriptor whatever it says; strace would leave it open.
  "close",
  // Of these the engine dies at once, as crash-restore.test.ts has it die.
  ...["brk", "madvise", "mmap", "mprotect", "munmap"],
];

interface Point {
  readonly call: string;
  /** The first is 1. */
  readonly time: number;
}

/** strace on an engine that waits for the word. Its children are traced too, unless it has to trace them itself. */
async function straced(engine: Engine, follow: boolean, ...words: string[]) {
  const child = spawn("strace", [...(follow ? ["-f"] : []), ...words, "-p", String(engine.child.pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(child, "exit");
  let said = "";
  assert.ok(child.stderr);
  child.stderr.on("data", (data: Buffer) => {
    said += data.toString();
  });
  await until("strace is there", () => said.includes("attached"));
  return { exited };
}

/** All calls that the engine makes between the word and the end of its work, each name with its numbers. */
async function pointsOf(start: () => Promise<Engine>, follow: boolean): Promise<Point[]> {
  using scratch = newDirectory();
  const file = join(scratch.path, "calls");
  await using engine = await start();
  const { exited } = await straced(engine, follow, "-o", file);
  await engine.go();
  assert.ok(await engine.ended(), "the engine failed where no call does");
  engine.child.kill("SIGKILL");
  await exited;
  const counts = new Map<string, number>();
  return [...readFileSync(file, "utf8").matchAll(/^(?:\d+ +)?(\w+)\(/gm)].flatMap(([, call = ""]) => {
    const time = (counts.get(call) ?? 0) + 1;
    counts.set(call, time);
    return SPARED.includes(call) ? [] : [{ call, time }];
  });
}

/** Every name at least once, as far as there are so many. */
function chosen(points: readonly Point[]): Point[] {
  if (ONLY !== undefined) return [{ call: ONLY.split(":")[0] ?? "", time: Number(ONLY.split(":")[1]) }];
  const step = Math.max(1, points.length / RUNS);
  return Array.from({ length: Math.min(RUNS, points.length) }, (_, index) => points[Math.floor(index * step)]).flatMap(
    (point) => point ?? [],
  );
}

/** The engine with one call that fails; result: whether it did what it was told to all the same. */
async function failing(engine: Engine, follow: boolean, { call, time }: Point): Promise<boolean> {
  const { exited } = await straced(engine, follow, "-o", "/dev/null", "-e", `inject=${call}:error=EIO:when=${time}`);
  engine.go();
  const succeeded = await engine.ended();
  engine.child.kill("SIGKILL");
  await engine.gone();
  await exited;
  return succeeded;
}

async function nothingLeft(engine: Engine, where: string, left: () => readonly Pid[] = () => []): Promise<void> {
  const all = () => [...left(), ...leftOf(inSession(engine.child.pid ?? 0))];
  await until("nothing of ours is left", () => all().length === 0).catch(() =>
    assert.fail([where, ...all().map(describe)].join("\n")),
  );
}

/** What it proves in the end, and what the kernel shows of it meanwhile. */
const subjects = {
  "tcp-connections": "TCP connections in every state",
  "unix-sockets": "unix sockets, bound and connected, with what waits in them",
} as const;

/** What it wrote can be read before write(2) is over, and the position of its output moves after that. */
const untilItSleeps = ({ pid }: Program) => until("it sleeps", () => readStat(pid)?.state === "S");

const viewOf = ({ pid }: Program) => [treeView(pid), socketView(pid)];
const provesAll = (output: string) => {
  assert.deepEqual(
    output.split("\n").filter((line) => line.includes(": not so") || line.includes("failed")),
    [],
    output,
  );
};

for (const [name, what] of Object.entries(subjects)) {
  test(`${what} work on whichever call of a dump fails (${RUNS} of them)`, async (t) => {
    await using program = await startProgram(name);
    using _tree = endingWith(program.pid);
    await untilItSleeps(program);
    using images = newDirectory();
    const tree = treeOf(program.pid);
    const before = viewOf(program);
    const start = () => Engine.start("dump", images.path, String(program.pid));
    const points = await pointsOf(start, true);
    const outcomes = { failed: 0, succeeded: 0 };
    for (const point of chosen(points)) {
      await using engine = await start();
      const succeeded = await failing(engine, true, point);
      outcomes[succeeded ? "succeeded" : "failed"]++;
      const where = `${point.call}:${point.time}`;
      await nothingLeft(engine, where, () => treeOf(program.pid).filter((pid) => !tree.includes(pid)));
      assert.ok(!tree.some(isTraced), `traced after ${where}`);
      await until("it runs", () => readStat(program.pid)?.state !== "t").catch(() => assert.fail(`stopped, ${where}`));
      assert.deepEqual(viewOf(program), before, where);
    }
    t.diagnostic(`of ${points.length} calls; ${JSON.stringify(outcomes)}`);
    program.signal("SIGUSR2");
    provesAll(await program.waitFor("restored"));
  });
}

test(`a program comes back as a whole or not at all whichever call of a restore fails (${RUNS} of them)`, async (t) => {
  // What the engine leaves behind becomes ours, and is reaped at once.
  sys.prctl(PR.PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n);
  await using service = await startService();
  await using program = await startProgram("unix-sockets");
  using _tree = endingWith(program.pid);
  await untilItSleeps(program);
  const tree = treeOf(program.pid);
  const before = viewOf(program);
  const imagesDirectory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory });
  await program.gone();
  const killed = async () => {
    await program.end();
    await until("it is gone", () => leftOf(tree).length === 0);
  };
  const start = () => Engine.start("restore", imagesDirectory);
  const points = await pointsOf(start, false);
  await killed();
  const outcomes = { failed: 0, succeeded: 0 };
  for (const point of chosen(points)) {
    await using engine = await start();
    const succeeded = await failing(engine, false, point);
    outcomes[succeeded ? "succeeded" : "failed"]++;
    const where = `${point.call}:${point.time}`;
    if (succeeded) assert.deepEqual(viewOf(program), before, where);
    else await nothingLeft(engine, where, () => leftOf(tree));
    await killed();
    await nothingLeft(engine, where);
  }
  t.diagnostic(`of ${points.length} calls; ${JSON.stringify(outcomes)}`);
  assert.ok(existsSync(join(imagesDirectory, "inventory.img")));
  await service.client.restore({ imagesDirectory });
  assert.deepEqual(viewOf(program), before);
  program.signal("SIGUSR2");
  provesAll(await program.waitFor("restored"));
});
