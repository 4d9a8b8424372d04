// The stub's place in a running target, put there and taken away so that the engine may die at any instant.
//
// 1. `syscall; go home` is written over the first bytes at AT_ENTRY, code that ran once and never runs again.
// 2. A signal frame that leads home is written into memory that nobody uses: pages at the low end of the main stack that were
//    never touched (all zero, and far below where the stack is in use), or else the stack below the red zone (128 bytes, System V ABI).
// 3. One remote mmap(2) makes the area for stub and scratch; the bytes at AT_ENTRY go back.
// Should the engine die, the kernel lets the thread run: it finishes the call and goes home by itself. What may stay behind is
// an unused mapping.
import { MAP, PROT } from "../kernel/abi/mman.js";
import { type Address, asAddress, NO_TARGET_FD } from "../kernel/brand.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { errnoName, unless } from "../kernel/errno.js";
import { AT_ENTRY, readAuxv } from "../kernel/proc/auxv.js";
import type { Mapping } from "../kernel/proc/maps.js";
import { syscalls } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { leaveCriticalSection } from "./critical-section.js";
import { type Ground, Inside } from "./inside.js";
import { repeatInterrupted } from "./interrupted-call.js";
import type { TargetMemory } from "./memory.js";
import { layOutSigframe, SIGFRAME_ROOM } from "./sigframe.js";
import { oneCallBytes, stubBytes } from "./stub.js";
import type { Registers, Tracee } from "./tracee.js";

const STUB_BYTES = 4096;
const SCRATCH_BYTES = 64 * 1024;
const AREA_BYTES = STUB_BYTES + SIGFRAME_ROOM + SCRATCH_BYTES;
const RED_ZONE = 128n;
const ZEROS = Buffer.alloc(SIGFRAME_ROOM);

/** Memory of the target that is ours for a moment. */
interface Borrowed {
  readonly at: Address;
  giveBack(): void;
}

/** The area of one process that holds stub and scratch. */
export class Foothold {
  private constructor(
    readonly leader: Tracee,
    readonly memory: TargetMemory,
    readonly mappings: readonly Mapping[],
    /** Where the area begins; its length is `lengthBytes`. */
    readonly area: Address,
  ) {}
  readonly lengthBytes = BigInt(AREA_BYTES);

  /** Makes the area in a stopped process. Throws StasisError when the target cannot hold it; the target is then as before. */
  static plant(leader: Tracee, memory: TargetMemory, mappings: readonly Mapping[]): Foothold {
    const prot = PROT.PROT_READ | PROT.PROT_WRITE | PROT.PROT_EXEC;
    const at = callOnce(leader, memory, mappings, [
      syscalls.mmap.number,
      [0n, BigInt(AREA_BYTES), BigInt(prot), BigInt(MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS), BigInt(NO_TARGET_FD), 0n],
    ]);
    const foothold = new Foothold(leader, memory, mappings, asAddress(at));
    memory.write(foothold.area, stubBytes);
    return foothold;
  }

  /** Works inside one thread until the scope ends; then the thread has its registers and mask back. */
  enter(thread: Tracee): Entered {
    const registers = repeatInterrupted(thread, leaveCriticalSection(thread, this.memory));
    const mask = thread.signalMask();
    const frameAt = this.area + BigInt(STUB_BYTES);
    const frame = layOutSigframe(frameAt, { registers, mask, xstate: thread.xstate() });
    this.memory.write(asAddress(frameAt), frame.bytes);
    const ground: Ground = {
      stub: this.area,
      scratch: { at: asAddress(frameAt + BigInt(SIGFRAME_ROOM)), sizeBytes: SCRATCH_BYTES },
      home: frame.ucontext,
    };
    return new Entered(thread, this.memory, ground, registers, mask);
  }

  /** Unmaps the area; the process holds nothing of ours any more. */
  remove(): void {
    callOnce(this.leader, this.memory, this.mappings, [syscalls.munmap.number, [this.area, BigInt(AREA_BYTES)]]);
  }
}

/** Inside a thread that will go on where it was. */
export class Entered extends Inside implements Disposable {
  #entered = false;

  constructor(
    thread: Tracee,
    memory: TargetMemory,
    ground: Ground,
    readonly registers: Registers,
    readonly mask: bigint,
  ) {
    super(thread, memory, ground, registers);
    thread.tracer.guard(thread.tid, { registers, mask });
    // The frame is in place: once the thread points at the stub it can go home by itself, so signals may be held back.
    this.aim(syscalls.getpid.number);
    thread.blockSignals();
    this.#entered = true;
  }

  [Symbol.dispose](): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.tracee.setSignalMask(this.mask);
    this.tracee.setRegisters(this.registers);
    this.tracee.tracer.unguard();
  }
}

/** One call without an area: at AT_ENTRY, with the frame in borrowed memory. */
function callOnce(
  leader: Tracee,
  memory: TargetMemory,
  mappings: readonly Mapping[],
  [number, words]: readonly [number: number, words: readonly bigint[]],
): bigint {
  const registers = leaveCriticalSection(leader, memory);
  const mask = leader.signalMask();
  const site = entrySite(leader, memory, mappings);
  const frame = layOutSigframe(frameAddress(leader, memory, mappings, registers), {
    registers,
    mask,
    xstate: leader.xstate(),
  });
  const room = borrowBytes(memory, asAddress(frame.ucontext), frame.bytes);
  try {
    const ground: Ground = { stub: site.at, scratch: { at: room.at, sizeBytes: 0 }, home: frame.ucontext };
    using inside = new Entered(leader, memory, ground, registers, mask);
    const result = inside.rawCall(number, words);
    if (isFailure(result)) throw refused(leader, errnoName(-Number(result)));
    return result;
  } finally {
    room.giveBack();
    site.giveBack();
  }
}

function entrySite(leader: Tracee, memory: TargetMemory, mappings: readonly Mapping[]): Borrowed {
  const entry = readAuxv(leader.tid).find(([type]) => type === AT_ENTRY)?.[1];
  const holds = (address: bigint) =>
    mappings.some((mapping) => mapping.executable && mapping.start <= address && address + 16n <= mapping.end);
  const vdso = mappings.find((mapping) => mapping.path === "[vdso]");
  const fallback =
    vdso ?? mappings.find((mapping) => mapping.executable && !mapping.shared && mapping.path !== "[vsyscall]");
  // Without its entry code (unmapped, or a program run by hand) the ELF header of the vdso has to do.
  const at = entry !== undefined && holds(entry) ? entry : fallback?.start;
  if (at === undefined) throw refused(leader, "no executable mapping");
  return borrowBytes(memory, asAddress(at), oneCallBytes);
}

function borrowBytes(memory: TargetMemory, at: Address, put: Uint8Array): Borrowed {
  const before = memory.read(at, put.byteLength);
  memory.write(at, put);
  return { at, giveBack: () => memory.write(at, before) };
}

/** Where the frame may lie: memory that the program does not use. */
function frameAddress(
  leader: Tracee,
  memory: TargetMemory,
  mappings: readonly Mapping[],
  registers: Registers,
): Address {
  const stack = mappings.find((mapping) => mapping.path === "[stack]");
  const room = BigInt(SIGFRAME_ROOM);
  const isFarBelow =
    stack !== undefined &&
    (registers.sp >= stack.end || registers.sp < stack.start || registers.sp - stack.start > 4n * room);
  if (stack?.writable === true && isFarBelow && isAllZero(memory, stack.start)) return stack.start;
  const at = asAddress((registers.sp - RED_ZONE - room) & ~63n);
  const around = mappings.find((mapping) => mapping.start <= at && registers.sp <= mapping.end && mapping.writable);
  if (around === undefined) throw refused(leader, "no room on its stack");
  return at;
}

/** False also where guard pages (MADV_GUARD_INSTALL) refuse to be read: EIO. */
function isAllZero(memory: TargetMemory, at: Address): boolean {
  const there = unless("EIO", () => memory.read(at, SIGFRAME_ROOM));
  return there !== undefined && ZEROS.equals(there);
}

function refused({ pid, comm }: Tracee, why: string): StasisError {
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "work inside",
    subject: { kind: "process", pid, comm },
    reason: `it cannot hold ${AREA_BYTES} bytes for our calls (${why})`,
    remedy: "raise its RLIMIT_AS or vm.max_map_count",
  });
}
