// The clock of a processor's run queue, by which /proc/PID/sched tells when a thread was last on a processor: update_rq_clock_task of
// kernel/sched/core.c. It leaves out what a hypervisor took from that processor, so each has a clock of its own, behind the true time by that.
import { CPU_MASK_BYTES } from "./abi/sched.js";
import { asPid } from "./brand.js";
import { unless } from "./errno.js";
import { readLastRun } from "./proc/sleep.js";
import { sys } from "./syscalls.js";

const ourselves = asPid(process.pid);
/** Of sched_getaffinity(2): ourselves. */
const CALLER = asPid(0);
/** How long a clock is taken to keep its distance from the true time. */
const KNOWN_NS = 1_000_000_000n;

interface Reading {
  /** By CLOCK_MONOTONIC. */
  readonly atNs: bigint;
  readonly behindNs: bigint;
}
const readings = new Map<number, Reading>();

/** What that clock shows now, in nanoseconds and rather too little; undefined: we may not run there, or the kernel does not tell. */
export function readRunClock(processor: number): bigint | undefined {
  const known = readings.get(processor);
  const nowNs = process.hrtime.bigint();
  if (known !== undefined && nowNs - known.atNs < KNOWN_NS) return nowNs - known.behindNs;
  const shownNs = onProcessor(processor, () => readLastRun(ourselves, ourselves));
  if (shownNs === undefined) return undefined;
  const atNs = process.hrtime.bigint();
  readings.set(processor, { atNs, behindNs: atNs - shownNs });
  return shownNs;
}

/** Runs `read` on that processor; undefined: it is not there, or not ours to run on (EINVAL). */
function onProcessor<T>(processor: number, read: () => T): T | undefined {
  const before = new Uint8Array(CPU_MASK_BYTES);
  const sizeBytes = sys.sched_getaffinity(CALLER, CPU_MASK_BYTES, before);
  const only = new Uint8Array(CPU_MASK_BYTES);
  only[processor >> 3] = 1 << (processor & 7);
  const moved = unless("EINVAL", () => {
    sys.sched_setaffinity(CALLER, CPU_MASK_BYTES, only);
    return true;
  });
  if (moved === undefined) return undefined;
  try {
    return read();
  } finally {
    sys.sched_setaffinity(CALLER, sizeBytes, before);
  }
}
