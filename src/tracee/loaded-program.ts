// A program of syscalls that lies in a target, and the thread that is about to run it or has run it: stub.ts has the loop.
//
// On a restore a trap ends it. On a dump a trap would kill the target should its tracer be gone: the loop sets the done word instead and
// waits for us, and we stop the thread in there.
import type { Address } from "../kernel/brand.js";
import { decodeResults, ENTRY_BYTES } from "../kernel/call-list.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import type { Inside, Room } from "./inside.js";
import type { Tracee } from "./tracee.js";
import type { WaitEvent } from "./wait.js";

/** One list at a time is read into here. */
let lists = new Uint8Array(64 * ENTRY_BYTES);
const STUB_BYTES = 4096n;
const SIGTRAP = 5;
/** How long a thread waits for us after a program, and so the longest pause that a killed engine leaves behind. */
const HOME_TIMEOUT_SECONDS = 3n;
/** Behind a list: the done word, and how long to wait for us. */
export const TAIL = new Uint8Array(new BigInt64Array([0n, 0n, HOME_TIMEOUT_SECONDS, 0n]).buffer);
export const TAIL_BYTES = TAIL.byteLength;
const DOING = "run a program of syscalls in";

export class LoadedProgram implements Disposable {
  constructor(
    readonly inside: Inside,
    private readonly place: { readonly room: Room & Disposable; readonly done: Address; readonly count: number },
  ) {}

  /** Lets the thread run through it. Throws StasisError when the thread is lost. */
  run(): void {
    this.inside.tracee.continue();
    this.approachEnd();
    this.end(this.inside.tracee.wait());
  }

  /** On a dump: watches the done word, then asks the thread to stop in the stub's wait. The next report tells that it stands still. */
  approachEnd(): void {
    if (this.#endsByTrap) return;
    const { memory, tracee } = this.inside;
    while (memory.readU64(this.place.done) === 0n) {
      this.#checkAlive();
      sys.sched_yield();
    }
    tracee.askToStop();
  }

  /** `event`: what the thread reported next. Throws StasisError when it is lost. */
  end(event: WaitEvent): void {
    const { tracee, ground } = this.inside;
    if (this.#endsByTrap) {
      awaitTrap(tracee, event);
      return;
    }
    const stop = tracee.pastStopSignals(event, () => tracee.continue());
    if (stop.kind !== "stop") throw tracee.lost(DOING, stop);
    const { ip } = tracee.registers();
    if (ip >= ground.stub && ip < ground.stub + STUB_BYTES) return;
    this.inside.wentHome();
    throw heldUp(tracee);
  }

  get #endsByTrap(): boolean {
    return this.inside.ground.home === 0n;
  }

  #checkAlive(): void {
    const { tracee } = this.inside;
    const event = tracee.poll();
    if (event?.kind === "stop") tracee.continue();
    else if (event !== undefined) throw tracee.lost(DOING, event);
  }

  /** The list with what each call returned; the thread stands still. Until the next time that this is asked, of whatever program. */
  done(): Uint8Array {
    const { room, count } = this.place;
    if (count * ENTRY_BYTES > lists.byteLength) lists = new Uint8Array(count * ENTRY_BYTES);
    const list = lists.subarray(0, count * ENTRY_BYTES);
    this.inside.memory.readInto(room.at, list);
    return list;
  }

  /** What each call returned, as done. */
  results(): bigint[] {
    return decodeResults(this.done());
  }

  /** Gives the scratch memory back. */
  [Symbol.dispose](): void {
    this.place.room[Symbol.dispose]();
  }
}

/** It is as it was before, and runs on; only this dump is over. */
function heldUp({ pid, comm }: Tracee): StasisError {
  return new StasisError({
    code: "TARGET_LOST",
    doing: DOING,
    subject: { kind: "process", pid, comm },
    reason: `stasis was held up for more than ${HOME_TIMEOUT_SECONDS} s, and it went back to its own work`,
    remedy: "try again when the machine is less busy",
  });
}

/** Waits for the trap that ends what a thread runs; `first`: what it reported. Throws StasisError when it is lost. */
export function awaitTrap(tracee: Tracee, first = tracee.wait()): void {
  const resume = () => tracee.continue();
  let event = tracee.pastStopSignals(first, resume);
  // SIGCONT for its process makes a seized thread report, pending or not: kernel/signal.c, prepare_signal().
  for (; event.kind === "stop"; event = tracee.waitPastStopSignals(resume)) resume();
  if (event.kind !== "signal" || event.signal !== SIGTRAP) throw tracee.lost(DOING, event);
}
