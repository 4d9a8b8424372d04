// Calls of a restore that are put off: many are made with one stop of the thread, and in many processes at the same time (together.ts).
import { type Address, asAddress } from "../kernel/brand.js";
import { CallList } from "../kernel/call-list.js";
import type { Room } from "./inside.js";
import type { TargetMemory } from "./memory.js";
import type { RemoteCall } from "./program.js";

/** How much scratch memory they may take for their arguments. */
export const PUT_OFF_BYTES = 128 * 1024;
const ALIGNMENT = 16;
const NONE = new Uint8Array();
/** Buffers of this size are used again. */
const FEWEST_BYTES = 8192;
const MOST_SPARES = 128;
const spares: Uint8Array[] = [];

/** A call, and what it finds in memory. */
export interface CallWithMemory {
  readonly call: RemoteCall;
  readonly bytes: Uint8Array;
}

export class PutOff {
  #calls: CallList | undefined;
  /** At its end what lies at the end of the scratch memory. */
  #arguments: Uint8Array = NONE;
  sizeBytes = 0;

  constructor(private readonly scratch: Room) {}

  get isEmpty(): boolean {
    return this.count === 0;
  }
  get count(): number {
    return this.#calls?.count ?? 0;
  }

  add(call: RemoteCall): void {
    this.#calls ??= new CallList();
    this.#calls.add(call);
  }

  hasRoomFor(sizeBytes: number): boolean {
    return this.sizeBytes + aligned(sizeBytes) <= PUT_OFF_BYTES;
  }

  /** Adds a call with `sizeBytes` of arguments in memory; `make` is told where they will be when it is made. */
  addWith(sizeBytes: number, make: (at: Address) => CallWithMemory): void {
    this.sizeBytes += aligned(sizeBytes);
    if (this.sizeBytes > this.#arguments.byteLength) this.#widen();
    const { call, bytes } = make(this.#start);
    const at = this.#arguments.byteLength - this.sizeBytes;
    this.#arguments.fill(0, at, at + aligned(sizeBytes));
    this.#arguments.set(bytes, at);
    this.add(call);
  }

  #widen(): void {
    const spare = this.#arguments === NONE && this.sizeBytes <= FEWEST_BYTES ? spares.pop() : undefined;
    const wider = spare ?? new Uint8Array(Math.max(FEWEST_BYTES, this.sizeBytes * 2));
    wider.set(this.#arguments, wider.byteLength - this.#arguments.byteLength);
    this.#arguments = wider;
  }

  get #start(): Address {
    return asAddress(this.scratch.at + BigInt(this.scratch.sizeBytes - this.sizeBytes));
  }

  /** Puts the arguments into place. Result: the calls, which are nobody's concern here any more. */
  take(memory: TargetMemory): CallList {
    if (this.sizeBytes > 0) memory.write(this.#start, this.#arguments.subarray(-this.sizeBytes));
    if (this.#arguments.byteLength === FEWEST_BYTES && spares.length < MOST_SPARES) spares.push(this.#arguments);
    const calls = this.#calls ?? new CallList();
    this.#calls = undefined;
    this.#arguments = NONE;
    this.sizeBytes = 0;
    return calls;
  }
}

const aligned = (lengthBytes: number) => (lengthBytes + ALIGNMENT - 1) & -ALIGNMENT;
