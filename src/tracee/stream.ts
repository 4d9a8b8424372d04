// Programs of one thread that follow each other: it runs one while we put the next together. Of a restore: a trap ends each.
import { ENTRY_BYTES, encodeCallList } from "../kernel/call-list.js";
import type { Inside, Room } from "./inside.js";
import { type LoadedProgram, TAIL_BYTES } from "./loaded-program.js";
import type { RemoteCall } from "./program.js";

interface Ended {
  readonly calls: readonly RemoteCall[];
  readonly results: readonly bigint[];
}
interface Running {
  readonly calls: readonly RemoteCall[];
  readonly program: LoadedProgram;
}

export class Stream {
  #running: Running | undefined;

  /** `room`: where its programs lie, one at a time. */
  constructor(
    private readonly inside: Inside,
    private readonly room: () => Room,
  ) {}

  static sizeFor = (calls: number) => calls * ENTRY_BYTES + TAIL_BYTES;

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Begins the next program as soon as the one before is over; how that went shows then. */
  begin(calls: readonly RemoteCall[]): void {
    const list = encodeCallList(calls);
    const before = this.#end();
    const room = { ...this.room(), [Symbol.dispose]() {} };
    const program = this.inside.loadAt(room, list, { keepGoing: false });
    this.inside.tracee.continue();
    this.#running = { calls, program };
    this.#check(before);
  }

  /** Waits until the thread stands still. Throws when a call failed. */
  finish(): void {
    this.#check(this.#end());
  }

  #end(): Ended | undefined {
    const running = this.#running;
    if (running === undefined) return undefined;
    this.#running = undefined;
    running.program.end(this.inside.tracee.wait());
    return { calls: running.calls, results: running.program.results() };
  }

  #check(ended: Ended | undefined): void {
    if (ended !== undefined) this.inside.check(ended.calls, ended.results);
  }
}
