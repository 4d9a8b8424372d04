// One call in each of many processes that have no area of ours yet, or are to lose it: made so that the engine may die at any instant.
//
// 1. `syscall; go home` is written over the first bytes at AT_ENTRY, code that ran once and never runs again.
// 2. A signal frame that leads home is written into memory that nobody uses: pages at the low end of the main stack that were
//    never touched (all zero, and far below where the stack is in use), or else the stack below the red zone (128 bytes, System V ABI).
// 3. The thread makes the call; then all of that is given back.
// Should the engine die, the kernel lets the thread run: it finishes the call and goes home by itself.
import { type Address, asAddress } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { AT_ENTRY, readAuxv } from "../kernel/proc/auxv.js";
import type { Mapping } from "../kernel/proc/maps.js";
import { Scope } from "../kernel/scope.js";
import type { StasisError } from "../report/error.js";
import { cannotHold } from "./area.js";
import { leaveCriticalSection } from "./critical-section.js";
import { Entered } from "./entered.js";
import type { TargetMemory } from "./memory.js";
import { layOutSigframe, SIGFRAME_ROOM } from "./sigframe.js";
import { oneCallBytes } from "./stub.js";
import { inTurns, stepTogether } from "./together.js";
import type { Registers, Tracee } from "./tracee.js";

const RED_ZONE = 128n;
const ZEROS = Buffer.alloc(SIGFRAME_ROOM);
/** What is looked at of a stack. */
const LOOKED_AT = Buffer.alloc(SIGFRAME_ROOM);

/** A stopped process, by one of its threads. It is kept as long as the dump lasts, and so has no more of it than that takes. */
export interface Place {
  readonly leader: Tracee;
  readonly memory: TargetMemory;
  /** Of code that a call may be written over. */
  readonly site: Address;
  /** Where its main stack is, and the one that the thread is on. */
  readonly stacks: readonly Stack[];
}
type Stack = Pick<Mapping, "path" | "start" | "end" | "writable">;

/** Throws StasisError: it has no code. */
export function placeIn(
  leader: Tracee,
  { memory, mappings }: Pick<Place, "memory"> & { readonly mappings: readonly Mapping[] },
): Place {
  const { sp } = leader.registers();
  const isStack = ({ path, start, end }: Stack) => path === MAIN_STACK || (start <= sp && sp <= end);
  const stacks = mappings.filter(isStack).map(({ path, start, end, writable }) => ({ path, start, end, writable }));
  return { leader, memory, site: entrySite(leader, mappings), stacks };
}
const MAIN_STACK = "[stack]";

export type Call = readonly [number: number, words: readonly bigint[]];
export interface Errand {
  readonly place: Place;
  readonly call: Call;
}
/** What the kernel left in rax, or why the call could not be made. */
export type Outcome = { readonly result: bigint } | { readonly error: unknown };

/** Makes all the calls, whatever becomes of one; every process is then where it was. */
export function callInEach(errands: readonly Errand[]): Outcome[] {
  const outcomes = new Map<Errand, Outcome>();
  for (const turn of inTurns(errands, ({ place }) => place.leader)) callTogether(turn, outcomes);
  return errands.map((errand) => outcomes.get(errand) ?? { error: new RangeError("an errand that nobody ran") });
}

function callTogether(errands: readonly Errand[], outcomes: Map<Errand, Outcome>): void {
  const diverted: Diverted[] = [];
  for (const errand of errands) {
    try {
      diverted.push(Diverted.from(errand));
    } catch (error) {
      outcomes.set(errand, { error });
    }
  }
  for (const place of ["entry", "exit"]) {
    const going = diverted.filter(({ error }) => error === undefined);
    const events = stepTogether(going.map(({ errand }) => errand.place.leader));
    for (const [index, one] of going.entries()) {
      const event = events[index];
      if (event !== undefined && event.kind !== "syscall")
        one.error = one.errand.place.leader.lost(`run a syscall (${place}) in`, event);
    }
  }
  // Backwards: two processes may have the same memory, and the second one have found what we wrote for the first.
  for (const one of diverted.toReversed()) outcomes.set(one.errand, one.end());
}

/** A thread on its way through a call. */
class Diverted {
  /** It is lost. */
  error: StasisError | undefined;

  private constructor(
    readonly errand: Errand,
    private readonly borrowed: Scope,
  ) {}

  static from(errand: Errand): Diverted {
    const borrowed = new Scope();
    try {
      divert(errand, borrowed);
      return new Diverted(errand, borrowed);
    } catch (error) {
      borrowed[Symbol.dispose]();
      throw error;
    }
  }

  end(): Outcome {
    if (this.error !== undefined) return { error: this.error };
    try {
      const result = BigInt.asIntN(64, this.errand.place.leader.registers().ax);
      this.borrowed[Symbol.dispose]();
      return { result };
    } catch (error) {
      return { error };
    }
  }
}

/** Points the thread at its call; `borrowed` takes all of it back. */
function divert({ place, call: [number, words] }: Errand, borrowed: Scope): void {
  const { leader, memory } = place;
  const registers = leaveCriticalSection(leader, memory);
  const mask = leader.signalMask();
  const site = borrowBytes(borrowed, memory, place.site, oneCallBytes);
  const state = { registers, mask, xstate: leader.xstate() };
  const frame = layOutSigframe(frameAddress(place, registers), state);
  const room = borrowBytes(borrowed, memory, asAddress(frame.ucontext), frame.bytes);
  const ground = { stub: site, scratch: { at: room, sizeBytes: 0 }, home: frame.ucontext };
  borrowed.use(new Entered(leader, memory, ground, registers, mask)).aim(number, words);
}

function borrowBytes(borrowed: Scope, memory: TargetMemory, at: Address, put: Uint8Array): Address {
  const before = memory.read(at, put.byteLength);
  borrowed.defer(() => memory.write(at, before));
  memory.write(at, put);
  return at;
}

function entrySite(leader: Tracee, mappings: readonly Mapping[]): Address {
  const entry = readAuxv(leader.tid).find(([type]) => type === AT_ENTRY)?.[1];
  const holds = (address: bigint) =>
    mappings.some((mapping) => mapping.executable && mapping.start <= address && address + 16n <= mapping.end);
  const vdso = mappings.find((mapping) => mapping.path === "[vdso]");
  const fallback =
    vdso ?? mappings.find((mapping) => mapping.executable && !mapping.shared && mapping.path !== "[vsyscall]");
  // Without its entry code (unmapped, or a program run by hand) the ELF header of the vdso has to do.
  const at = entry !== undefined && holds(entry) ? entry : fallback?.start;
  if (at === undefined) throw cannotHold(leader, "no executable mapping");
  return asAddress(at);
}

/** Where the frame may lie: memory that the program does not use. */
function frameAddress({ leader, memory, stacks }: Place, registers: Registers): Address {
  const stack = stacks.find(({ path }) => path === MAIN_STACK);
  const room = BigInt(SIGFRAME_ROOM);
  const isFarBelow =
    stack !== undefined &&
    (registers.sp >= stack.end || registers.sp < stack.start || registers.sp - stack.start > 4n * room);
  if (stack?.writable === true && isFarBelow && isAllZero(memory, stack.start)) return stack.start;
  const at = asAddress((registers.sp - RED_ZONE - room) & ~63n);
  const around = stacks.find(({ start, end, writable }) => start <= at && registers.sp <= end && writable);
  if (around === undefined) throw cannotHold(leader, "no room on its stack");
  return at;
}

/** False also where guard pages (MADV_GUARD_INSTALL) refuse to be read: EIO. */
function isAllZero(memory: TargetMemory, at: Address): boolean {
  const there = unless("EIO", () => {
    memory.readInto(at, LOOKED_AT);
    return LOOKED_AT;
  });
  return there !== undefined && ZEROS.equals(there);
}
