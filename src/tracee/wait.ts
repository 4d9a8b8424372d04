// The one waiter: every wait4(2) of the engine. ptrace(2), "Stopped states".

import { W } from "../kernel/abi/process.js";
import { PTRACE_EVENT_STOP } from "../kernel/abi/ptrace.js";
import { prepared, RepeatedCalls, runTogether } from "../kernel/batch.js";
import { asPid, type Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";

/** What a wait on a tracee reported. */
export type WaitEvent =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "killed"; readonly signal: number }
  /** A syscall stop, at entry or exit; PTRACE_O_TRACESYSGOOD tells it from a SIGTRAP. */
  | { readonly kind: "syscall" }
  /** PTRACE_EVENT_STOP of a seized tracee: SIGTRAP after an interrupt or for a new task, a stop signal for a group stop. */
  | { readonly kind: "stop"; readonly signal: number }
  | { readonly kind: "event"; readonly event: number }
  /** A signal is about to be delivered. */
  | { readonly kind: "signal"; readonly signal: number };

const SIGTRAP = 5;
const statusWord = new Uint8Array(4);
const statusView = new DataView(statusWord.buffer);

/**
 * How often a report is looked for before we sleep until it comes, some 100 us. A tracee takes some 10 us to its next stop, 100 to its next child; to be
 * woken takes a processor that had gone idle 50 us and more.
 */
const LOOKS = 500;
const newLook = () => new RepeatedCalls([prepared.wait4(asPid(0), statusWord, W.__WALL | W.WNOHANG, null)]);
let look: RepeatedCalls | undefined;

/** Waits until the tracee `tid` reports; a tracee that is gone reports as killed. */
export function waitFor(tid: Pid): WaitEvent {
  look ??= newLook();
  look.aim(0, 0, tid);
  const found = look.runUntil(LOOKS);
  if (found > 0) return decodeStatus(statusView.getInt32(0, true));
  const waited = unless("ECHILD", () => sys.wait4(tid, statusWord, W.__WALL, null));
  return waited === undefined ? { kind: "killed", signal: 9 } : decodeStatus(statusView.getInt32(0, true));
}

/** As waitFor, of each of them: one list of calls. */
export function waitForAll(tids: readonly Pid[]): WaitEvent[] {
  const words = new Uint8Array(tids.length * 4);
  const calls = tids.map((tid, index) => prepared.wait4(tid, words.subarray(index * 4), W.__WALL, null));
  const results = runTogether(calls);
  const view = new DataView(words.buffer);
  return tids.map((tid, index) => {
    const waited = Number(results[index]);
    // EINTR, when a signal came for us; ECHILD, when it is gone.
    return waited < 0 ? waitFor(tid) : decodeStatus(view.getInt32(index * 4, true));
  });
}

/** As waitFor, without blocking: undefined when nothing is there to report. */
export function pollFor(tid: Pid): WaitEvent | undefined {
  const waited = unless("ECHILD", () => sys.wait4(tid, statusWord, W.__WALL | W.WNOHANG, null));
  if (waited === undefined) return { kind: "killed", signal: 9 };
  return waited === 0 ? undefined : decodeStatus(statusView.getInt32(0, true));
}

/** Waits until the thread is gone. The exit of a thread group's leader is reported when the others have been waited for. */
export function awaitEnd(tid: Pid): void {
  for (let event = waitFor(tid); event.kind !== "exited" && event.kind !== "killed"; ) event = waitFor(tid);
}

export function decodeStatus(status: number): WaitEvent {
  if ((status & 0x7f) === 0) return { kind: "exited", status: (status >> 8) & 0xff };
  if ((status & 0xff) !== 0x7f) return { kind: "killed", signal: status & 0x7f };
  const signal = (status >> 8) & 0xff;
  const event = status >> 16;
  if (signal === (SIGTRAP | 0x80)) return { kind: "syscall" };
  if (event === PTRACE_EVENT_STOP) return { kind: "stop", signal };
  if (event !== 0) return { kind: "event", event };
  return { kind: "signal", signal };
}

export function showEvent(event: WaitEvent): string {
  switch (event.kind) {
    case "exited":
      return `exited with status ${event.status}`;
    case "killed":
      return `was killed by signal ${event.signal}`;
    case "event":
      return `stopped with ptrace event ${event.event}`;
    case "signal":
      return `stopped for signal ${event.signal}`;
    case "stop":
      return `stopped (signal ${event.signal})`;
    case "syscall":
      return "stopped at a syscall";
  }
}
