// Programs of one thread that follow each other: it runs one while we put the next together. Of a restore: a trap ends each.
import { type CallList, ENTRY_BYTES } from "../kernel/call-list.js";
import type { Inside, Room } from "./inside.js";
import { type LoadedProgram, TAIL_BYTES } from "./loaded-program.js";

export class Stream {
  #running: { readonly calls: CallList; readonly program: LoadedProgram } | undefined;

  /** `room`: where its programs lie, one at a time. */
  constructor(
    private readonly inside: Inside,
    private readonly room: () => Room,
  ) {}

  static sizeFor = (calls: number) => calls * ENTRY_BYTES + TAIL_BYTES;

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Begins the next program as soon as the one before is over. Throws when a call of that failed. */
  begin(calls: CallList): void {
    this.finish();
    const program = this.inside.loadAt({ ...this.room(), [Symbol.dispose]() {} }, calls, { keepGoing: false });
    this.inside.tracee.continue();
    this.#running = { calls, program };
  }

  /** Waits until the thread stands still. Throws when a call failed. */
  finish(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.program.end(this.inside.tracee.wait());
    this.inside.check(running.calls, running.program.done());
  }
}
