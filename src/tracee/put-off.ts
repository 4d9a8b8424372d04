// Calls of a restore that are put off: many are made with one stop of the thread, and in many processes at the same time (together.ts).
import { type Address, asAddress } from "../kernel/brand.js";
import type { Room } from "./inside.js";
import type { TargetMemory } from "./memory.js";
import type { RemoteCall } from "./program.js";

/** How much scratch memory they may take for their arguments. */
export const PUT_OFF_BYTES = 128 * 1024;
const ALIGNMENT = 16;

/** A call, and what it finds in memory. */
export interface CallWithMemory {
  readonly call: RemoteCall;
  readonly bytes: Uint8Array;
}

export class PutOff {
  #calls: RemoteCall[] = [];
  /** What lies at the end of the scratch memory, the lowest last. */
  #pieces: Uint8Array[] = [];
  sizeBytes = 0;

  constructor(private readonly scratch: Room) {}

  get isEmpty(): boolean {
    return this.#calls.length === 0;
  }
  get count(): number {
    return this.#calls.length;
  }

  add(call: RemoteCall): void {
    this.#calls.push(call);
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.sizeBytes + aligned(sizeBytes) <= PUT_OFF_BYTES;
  }

  /** Adds a call with `sizeBytes` of arguments in memory; `make` is told where they will be when it is made. */
  addWith(sizeBytes: number, make: (at: Address) => CallWithMemory): void {
    const piece = new Uint8Array(aligned(sizeBytes));
    this.#pieces.push(piece);
    this.sizeBytes += piece.byteLength;
    const { call, bytes } = make(this.#start);
    piece.set(bytes);
    this.add(call);
  }

  get #start(): Address {
    return asAddress(this.scratch.at + BigInt(this.scratch.sizeBytes - this.sizeBytes));
  }

  /** Puts the arguments into place. Result: the calls, which are nobody's concern here any more. */
  take(memory: TargetMemory): RemoteCall[] {
    if (this.sizeBytes > 0) memory.write(this.#start, Buffer.concat(this.#pieces.reverse(), this.sizeBytes));
    const calls = this.#calls;
    this.#calls = [];
    this.#pieces = [];
    this.sizeBytes = 0;
    return calls;
  }
}

const aligned = (lengthBytes: number) => (lengthBytes + ALIGNMENT - 1) & -ALIGNMENT;
