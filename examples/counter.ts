// The program that the demonstration freezes: threads that count, a Map that grows, a file that stays open.
// node counter.js FILE: a line every 10 ms, until it is killed.
import { openSync, writeSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const THREADS = 3;
const TICK_MS = 10;
const COUNT_MS = 1;
const KEPT_ENTRIES = 200_000;

/** What a line of the file says; times are CLOCK_MONOTONIC, in ms. */
export interface Line {
  readonly tick: number;
  readonly atMs: number;
  readonly counts: readonly number[];
  readonly entries: number;
}

if (isMainThread && process.argv[2] !== undefined) countInto(process.argv[2]);
if (!isMainThread) countForever(workerData.counters, workerData.index);

function countInto(path: string): void {
  const counters = new Int32Array(new SharedArrayBuffer(THREADS * Int32Array.BYTES_PER_ELEMENT));
  for (let index = 0; index < THREADS; index++)
    new Worker(new URL(import.meta.url), { workerData: { counters, index } });

  const kept = new Map<number, string>();
  for (let key = 0; key < KEPT_ENTRIES; key++) kept.set(key, `entry ${key}`);

  const file = openSync(path, "a");
  setInterval(() => {
    const tick = kept.size - KEPT_ENTRIES;
    kept.set(kept.size, `tick ${tick}`);
    const line: Line = { tick, atMs: performance.now(), counts: [...counters], entries: kept.size };
    writeSync(file, `${JSON.stringify(line)}\n`);
  }, TICK_MS);
}

function countForever(counters: Int32Array, index: number): void {
  const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  for (;;) {
    Atomics.add(counters, index, 1);
    Atomics.wait(never, 0, 0, COUNT_MS);
  }
}
