// Many threads run at the same time: all of them are let go before the first is waited for. On a busy machine each takes a while to come to
// it, and on an idle one a processor that sleeps does.
import { failureOf, type PreparedCall, prepared, runTogether } from "../kernel/batch.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { SyscallError } from "../kernel/errno.js";
import { Scope } from "../kernel/scope.js";
import type { Inside } from "./inside.js";
import type { LoadedProgram } from "./loaded-program.js";
import type { Tracee } from "./tracee.js";
import { ourselves } from "./tracer.js";
import { type WaitEvent, waitForAll } from "./wait.js";

/** Those that can run at the same time: a guardian guards one thread at a time. */
export function inTurns<T>(items: readonly T[], threadOf: (item: T) => Tracee): T[][] {
  const isOurs = (item: T) => threadOf(item).tracer === ourselves;
  const ours = items.filter(isOurs);
  const others = items.filter((item) => !isOurs(item));
  return [...(ours.length > 0 ? [ours] : []), ...others.map((item) => [item])];
}

/** Lets every thread run to its next syscall entry or exit; result: what each reported. All of one turn. */
export function stepTogether(threads: readonly Tracee[]): WaitEvent[] {
  const [first] = threads;
  if (first === undefined || threads.length === 1) return threads.map((thread) => thread.stepSyscall());
  resume(threads.map(({ tid }) => prepared.ptraceSyscall(tid, 0n, 0)));
  const events = waitForAll(threads.map(({ tid }) => tid));
  return threads.map((thread, index) => thread.finishStep(events[index] ?? GONE));
}

/** Has every thread make the call that it is aimed at, `name`. All of one turn. Throws when one is lost or its call fails. */
export function callTogether(name: string, insides: readonly Inside[]): void {
  const threads = insides.map(({ tracee }) => tracee);
  for (const place of ["entry", "exit"])
    for (const [index, event] of stepTogether(threads).entries())
      if (event.kind !== "syscall") throw threads[index]?.lost(`run ${name} (${place}) in`, event);
  for (const thread of threads) {
    const result = BigInt.asIntN(64, thread.registers().ax);
    if (isFailure(result)) throw new SyscallError(name, -Number(result), [], thread.tid);
  }
}

/** Has every program run to its end. All of one turn. Throws when a thread is lost, but not before the others stand still. */
export function runInEach(programs: readonly LoadedProgram[]): void {
  if (programs.length === 1) for (const program of programs) program.run();
  else beginInEach(programs)();
}

/** As runInEach, of threads that we trace ourselves; result: waits for the end. */
function beginInEach(programs: readonly LoadedProgram[]): () => void {
  resume(programs.map(({ inside }) => prepared.ptraceCont(inside.tracee.tid, 0n, 0)));
  return () => {
    const failures: unknown[] = [];
    const running = eachOf(programs, failures, (program) => {
      program.approachEnd();
      return program;
    });
    const events = waitForAll(running.map(({ inside }) => inside.tracee.tid));
    eachOf([...running.entries()], failures, ([index, program]) => program.end(events[index] ?? GONE));
    if (failures.length > 0) throw failures[0];
  };
}

/** Begins what is put off in each of these, processes of their own; result: waits for the end of that. Throws when a call failed. */
function beginTogether(insides: readonly Inside[]): () => void {
  const loaded = insides
    .filter((inside) => inside.hasPutOff)
    .map((inside) => {
      const calls = inside.takePutOff();
      return { inside, calls, program: inside.load(calls, { keepGoing: false }) };
    });
  const end = beginInEach(loaded.map(({ program }) => program));
  return () => {
    end();
    for (const { inside, calls, program } of loaded) {
      inside.check(calls, program.done());
      program[Symbol.dispose]();
    }
  };
}

/** How many processes run at the same time. What is held of each meanwhile is memory and descriptors of ours. */
const AT_ONCE = 32;

/**
 * Has `prepare` put calls off in processes, some at a time; while those are made, the next are prepared. When they have been made, and those
 * of the next begun, comes `afterwards`. What a wave needs until then goes into its scope.
 */
export function inWaves<T>(
  items: readonly T[],
  prepare: (wave: readonly T[], scope: Scope) => readonly Inside[],
  afterwards: (wave: readonly T[]) => void = () => {},
): void {
  using all = new Scope();
  let end = () => {};
  let finish = () => {};
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const wave = items.slice(from, from + AT_ONCE);
    const scope = all.use(new Scope());
    const insides = prepare(wave, scope);
    end();
    end = beginTogether(insides);
    finish();
    finish = () => {
      afterwards(wave);
      scope[Symbol.dispose]();
    };
  }
  end();
  finish();
}

const GONE: WaitEvent = { kind: "killed", signal: 9 };

/** A thread that was killed meanwhile is no matter here: it says so when it is waited for. */
function resume(calls: readonly PreparedCall[]): void {
  for (const [index, result] of runTogether(calls).entries()) {
    const failure = calls[index] && failureOf(calls[index], result);
    if (failure !== undefined && failure.errno !== "ESRCH") throw failure;
  }
}

/** All of them, whatever happens to one. */
function eachOf<T, R>(items: readonly T[], failures: unknown[], work: (item: T) => R): R[] {
  return items.flatMap((item) => {
    try {
      return [work(item)];
    } catch (error) {
      failures.push(error);
      return [];
    }
  });
}
