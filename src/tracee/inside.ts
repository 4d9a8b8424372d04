// Syscalls made by a stopped thread on our behalf.
//
// In a nutshell: the stub's code lies in the target (see stub.ts). For one call the thread's registers are pointed at the stub's
// `syscall` instruction with the arguments in place, and PTRACE_SYSCALL lets it run to the syscall's end: two stops. On a restore a trap
// behind it ends the call: one stop. A program of many calls is written into scratch memory and run by the stub's loop with one stop at its end.
import type { Address } from "../kernel/brand.js";
import { asAddress } from "../kernel/brand.js";
import { CallList, decodeResults, ENTRY_BYTES, UNTOUCHED } from "../kernel/call-list.js";
import type { Layout } from "../kernel/declare/struct.js";
import { isFailure, type Syscall, showArguments, type ThereCalls } from "../kernel/declare/syscall.js";
import { SyscallError } from "../kernel/errno.js";
import { type Syscalls, syscalls } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { AimedRegisters } from "./aimed-registers.js";
import { inLongMode } from "./compat.js";
import { awaitTrap, LoadedProgram, TAIL, TAIL_BYTES } from "./loaded-program.js";
import type { TargetMemory } from "./memory.js";
import type { RemoteCall } from "./program.js";
import { type CallWithMemory, PUT_OFF_BYTES, PutOff } from "./put-off.js";
import { Stream } from "./stream.js";
import { stubOffset } from "./stub.js";
import type { Registers, Tracee } from "./tracee.js";

/** Memory in the target that a call may use for its arguments. */
export interface Room {
  readonly at: Address;
  readonly sizeBytes: number;
}

/** What a stopped thread needs for making calls. */
export interface Ground {
  /** Where the stub lies. */
  readonly stub: Address;
  readonly scratch: Room;
  /** The ucontext that the stub goes home by; 0n on a restore, where there is no home. */
  readonly home: bigint;
}

const PROGRAM_LIMIT = 512;
const STREAM_BYTES = Stream.sizeFor(PROGRAM_LIMIT);
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

export class Inside {
  readonly sys: ThereCalls<Syscalls>;
  readonly #registers: AimedRegisters;
  #free: bigint;
  readonly #putOff: PutOff;
  readonly #stream: Stream;

  constructor(
    readonly tracee: Tracee,
    readonly memory: TargetMemory,
    readonly ground: Ground,
    /** The thread's registers where we found it: segment registers and the like are kept in every call. */
    found: Registers,
  ) {
    this.#registers = new AimedRegisters(inLongMode(found));
    this.#free = ground.scratch.at;
    this.#putOff = new PutOff(ground.scratch);
    this.#stream = new Stream(this, () => streamRoom(ground.scratch));
    this.sys = new Calls((row, values) => this.#call(row, values)) as unknown as ThereCalls<Syscalls>;
  }

  /** The thread has gone home by itself, and works on: it is not to be taken there again. */
  wentHome(): void {}

  /** Makes one call; throws SyscallError (with this thread as its place) when the kernel says no. */
  #call(row: Syscall, values: readonly unknown[]): unknown {
    const words = [...row.command, ...row.args.map(([, type], index) => type.there(values[index]))];
    const raw = this.rawCall(row.number, words.map(BigInt));
    if (isFailure(raw)) throw new SyscallError(row.name, -Number(raw), showArguments(row, values), this.tracee.tid);
    return row.returns.there(raw);
  }

  /**
   * Puts a call off until something else is to be done here, or to `flush`. Its failure shows then. Threads of one process have one scratch
   * memory: one of them at a time may have calls put off.
   */
  later(call: RemoteCall): void {
    if (this.#putOff.count >= PROGRAM_LIMIT) this.#makeRoom();
    this.#putOff.add(call);
  }

  /** As `later`, for a call with an argument in memory: `call` is told where that will be. */
  laterWith(bytes: Uint8Array, call: (at: Address) => RemoteCall): void {
    this.laterAt(bytes.byteLength, (at) => ({ bytes, call: call(at) }));
  }

  /** As `laterWith`, for what points at itself. */
  laterAt(sizeBytes: number, make: (at: Address) => CallWithMemory): void {
    // What runs may have its own arguments there.
    this.#stream.finish();
    if (this.#putOff.count >= PROGRAM_LIMIT || !this.#putOff.hasRoomFor(sizeBytes)) this.flush();
    this.#putOff.addWith(sizeBytes, make);
  }

  /** Runs `put`, which puts many calls off: the thread makes the first while the next are put together, and stands still at the end. */
  streaming<T>(put: () => T): T {
    this.#streams = true;
    const result = put();
    this.#streams = false;
    this.#stream.finish();
    return result;
  }
  #streams = false;

  #makeRoom(): void {
    if (this.#streams) this.#stream.begin(this.#putOff.take(this.memory));
    else this.flush();
  }

  get hasPutOff(): boolean {
    return !this.#putOff.isEmpty;
  }

  /** Makes what was put off. */
  flush(): void {
    this.#stream.finish();
    if (!this.hasPutOff) return;
    const calls = this.takePutOff();
    using program = this.load(calls, { keepGoing: false });
    program.run();
    this.check(calls, program.done());
  }

  /** The calls, to be made by who asks; their arguments are in place. */
  takePutOff(): CallList {
    this.#stream.finish();
    return this.#putOff.take(this.memory);
  }

  /** One syscall by number: what the kernel left in rax, signed. */
  rawCall(number: number, words: readonly bigint[]): bigint {
    this.flush();
    if (this.ground.home !== 0n) return this.stepCall(number, words);
    this.#aimAt("oneCallThenTrap", BigInt(number), words);
    this.tracee.continue();
    awaitTrap(this.tracee);
    return BigInt.asIntN(64, this.tracee.registers().ax);
  }

  /**
   * A call of 32-bit code by its number there, compatNumber: it leaves state that only such calls do, or asks for it. Its pointers must be below
   * 4 GiB. Result: what the kernel left in eax, signed.
   */
  compatCall(number: number, words: readonly bigint[]): bigint {
    this.flush();
    const { home, stub } = this.ground;
    const [bx = 0n, cx = 0n, dx = 0n, si = 0n, di = 0n] = words;
    const ip = stub + stubOffset[home === 0n ? "oneCompatCallThenTrap" : "oneCompatCall"];
    const orig_ax = NOT_IN_A_SYSCALL;
    this.#set({ ax: BigInt(number), orig_ax, bx, cx, dx, si, di, r12: home, ip });
    if (home !== 0n) return BigInt.asIntN(32, this.#finishCall());
    this.tracee.continue();
    awaitTrap(this.tracee);
    return BigInt.asIntN(32, this.tracee.registers().ax);
  }

  /** As rawCall, without a trap at its end: for the call after which the stub is gone, or SIGTRAP is not to be touched any more. */
  stepCall(number: number, words: readonly bigint[]): bigint {
    this.aim(number, words);
    return this.#finishCall();
  }

  /**
   * Lets the thread begin a call, and stops it there: one that would sleep ends at once. `meanwhile` it goes on; when it is over by itself, the
   * thread waits at its end, or it would run on to wherever the stub leads.
   */
  interruptedCall(number: number, words: readonly bigint[], meanwhile: () => void = () => {}): void {
    const { tracee } = this;
    this.aim(number, words);
    const entry = tracee.stepSyscall();
    if (entry.kind !== "syscall") throw tracee.lost("begin a syscall in", entry);
    tracee.continueToSyscall();
    meanwhile();
    const end = tracee.interrupt();
    if (end.kind !== "syscall") throw tracee.lost("interrupt a syscall in", end);
    const stop = tracee.stopAtOnce();
    if (stop.kind !== "stop") throw tracee.lost("stop after a syscall", stop);
  }

  /** Points the thread at a call without letting it run. */
  aim(number: number, words: readonly bigint[] = []): void {
    this.flush();
    this.#aimAt("oneCall", BigInt(number), words);
  }

  #finishCall(): bigint {
    for (const place of ["entry", "exit"]) {
      const event = this.tracee.stepSyscall();
      if (event.kind !== "syscall") throw this.tracee.lost(`run a syscall (${place}) in`, event);
    }
    return BigInt.asIntN(64, this.tracee.registers().ax);
  }

  /** Has the thread make a call at this piece of the stub when it goes on. */
  #aimAt(piece: "oneCall" | "oneCallThenTrap" | "oneClone", number: bigint, words: readonly bigint[]): void {
    const [di = 0n, si = 0n, dx = 0n, r10 = 0n, r8 = 0n, r9 = 0n] = words;
    const ip = this.ground.stub + stubOffset[piece];
    this.#set({ ax: number, orig_ax: NOT_IN_A_SYSCALL, di, si, dx, r10, r8, r9, bx: this.ground.home, ip });
  }

  #set(changes: Partial<Registers>): void {
    this.tracee.setEncodedRegisters(this.#registers.with(changes));
  }

  /** Points the thread at a clone call; the caller steps it, since the child's stop comes in between. */
  aimClone(number: number, words: readonly bigint[]): void {
    this.flush();
    this.#aimAt("oneClone", BigInt(number), words);
  }

  /**
   * Runs calls in order. A call that fails, or returns other than expected, ends the program and throws; with
   * `keepGoing` every call is made and the raw results tell.
   */
  run(calls: readonly RemoteCall[], options?: { keepGoing?: boolean }): bigint[] {
    this.flush();
    const results: bigint[] = [];
    for (let from = 0; from < calls.length; from += PROGRAM_LIMIT) {
      const part = CallList.of(calls.slice(from, from + PROGRAM_LIMIT));
      using program = this.load(part, { keepGoing: options?.keepGoing === true });
      program.run();
      const done = program.done();
      results.push(...decodeResults(done));
      if (options?.keepGoing === true) part.release();
      else this.check(part, done);
    }
    return results;
  }

  /** Writes a program into scratch memory and points the thread at it, without letting it run. */
  load(calls: CallList, options: { readonly keepGoing: boolean }): LoadedProgram {
    return this.loadAt(this.room(calls.count * ENTRY_BYTES + TAIL_BYTES), calls, options);
  }

  loadAt(room: Room & Disposable, calls: CallList, { keepGoing }: { readonly keepGoing: boolean }): LoadedProgram {
    const { bytes, count } = calls;
    const done = asAddress(room.at + BigInt(bytes.byteLength));
    this.memory.write(room.at, Buffer.concat([bytes, TAIL]));
    const atHome = this.ground.home === 0n;
    this.#set({
      ip: this.ground.stub + stubOffset[atHome ? "programThenTrap" : "programThenHome"],
      ax: 0n,
      orig_ax: NOT_IN_A_SYSCALL,
      bx: this.ground.home,
      r12: room.at,
      r13: BigInt(count),
      bp: keepGoing ? 0n : 1n,
      r14: done,
      r15: done + 16n,
    });
    return new LoadedProgram(this, { room, done, count });
  }

  /** `done`: the list as the thread has left it. Throws when one of the calls failed, or returned other than expected; else the list is used up. */
  check(calls: CallList, done: Uint8Array): void {
    const failed = calls.firstFailure(done);
    if (failed === undefined) {
      calls.release();
      return;
    }
    const raw = decodeResults(done)[failed] ?? UNTOUCHED;
    const { name } = calls.rowOf(failed);
    const shown = calls.shown(failed);
    if (isFailure(raw)) throw new SyscallError(name, -Number(raw), shown, this.tracee.tid);
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: `run ${name}(${shown.join(", ")}) in`,
      subject: { kind: "process", pid: this.tracee.pid, comm: this.tracee.comm },
      reason: `it returned ${raw} where ${calls.expectedOf(failed)} was expected`,
    });
  }

  /** Scratch memory for the arguments of calls, given back at the end of its scope, in reverse order. */
  room(sizeBytes: number): Room & Disposable {
    const at = this.#free;
    const end = at + ((BigInt(sizeBytes) + 15n) & ~15n);
    const taken = this.#stream.isRunning ? PUT_OFF_BYTES + STREAM_BYTES : this.#putOff.sizeBytes;
    if (end > this.ground.scratch.at + BigInt(this.ground.scratch.sizeBytes - taken)) {
      throw new RangeError(`${sizeBytes} bytes do not fit into the scratch memory of ${this.ground.scratch.sizeBytes}`);
    }
    this.#free = end;
    return {
      at: asAddress(at),
      sizeBytes,
      [Symbol.dispose]: () => {
        this.#free = at;
      },
    };
  }

  /** Scratch memory that holds these bytes. */
  holding(bytes: Uint8Array): Room & Disposable {
    const room = this.room(bytes.byteLength);
    this.memory.write(room.at, bytes);
    return room;
  }

  /** Makes a call that fills a struct, and decodes it. */
  filled<T>(layout: Layout<T>, call: (at: Address) => unknown): T {
    using room = this.room(layout.sizeBytes);
    this.memory.write(room.at, new Uint8Array(layout.sizeBytes));
    call(room.at);
    return layout.decode(this.memory.read(room.at, layout.sizeBytes));
  }

  /** A C string in scratch memory. */
  text(text: string): Room & Disposable {
    return this.holding(Buffer.from(`${text}\0`));
  }
}

/** Below the arguments of what is put off; whatever else asks for room meanwhile has it from the other end. */
function streamRoom({ at, sizeBytes }: Room): Room {
  return { at: asAddress(at + BigInt(sizeBytes - PUT_OFF_BYTES - STREAM_BYTES)), sizeBytes: STREAM_BYTES };
}

/** A method for each syscall, made once for all threads. */
class Calls {
  readonly #call: (row: Syscall, values: readonly unknown[]) => unknown;

  constructor(call: (row: Syscall, values: readonly unknown[]) => unknown) {
    this.#call = call;
  }

  static {
    for (const [name, row] of Object.entries(syscalls)) {
      const value = function (this: Calls, ...values: unknown[]) {
        return this.#call(row, values);
      };
      Object.defineProperty(Calls.prototype, name, { value });
    }
  }
}
