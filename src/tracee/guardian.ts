// A process that traces, in our stead, the threads that are under seccomp: so that these survive us.
//
// A thread under seccomp can be worked in only while its tracer suspends that (PTRACE_O_SUSPEND_SECCOMP, which ends with the tracer). Were
// we the tracer and died, its filters would judge the call that we had it make, and the way home, rt_sigreturn(2): they may kill it.
//
// 1. The guardian is a seed, without EXITKILL. We trace it, and have it make the ptrace and wait calls: threads are its tracees.
// 2. Before a thread is diverted, a program that takes it back is written into the guardian, with a signal frame that leads there.
// 3. Should we die, the guardian finishes its call and goes home by that frame: it stops the thread, gives it its registers and mask,
//    lets it go, and ends, which lets go of all others. Seccomp is suspended until then.
import { W } from "../kernel/abi/process.js";
import { iovec, user_regs_struct } from "../kernel/abi/ptrace.js";
import { SIG, SIGSET_BYTES } from "../kernel/abi/signal.js";
import { timespec } from "../kernel/abi/time.js";
import { type Address, asAddress, NULL, type Pid } from "../kernel/brand.js";
import { CallList } from "../kernel/call-list.js";
import { isFailure, type Kept, type Syscall, showArguments } from "../kernel/declare/syscall.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import { Inside } from "./inside.js";
import { type RemoteCall, remote } from "./program.js";
import { type Seed, startSeed } from "./seed.js";
import { layOutSigframe, resumed, SIGFRAME_ROOM } from "./sigframe.js";
import { stubOffset } from "./stub.js";
import { type Registers, TRACE_OPTIONS } from "./tracee.js";
import type { PtraceCalls, Tracer } from "./tracer.js";
import { awaitEnd, decodeStatus, type WaitEvent } from "./wait.js";

const BASE = asAddress(0x10000000n);
const PROGRAM_ROOM = 32 * 1024;
/** What the guardian keeps for a thread: registers, mask and a pause, before the program. */
const MASK_AT = BigInt(user_regs_struct.sizeBytes);
const PAUSE_AT = MASK_AT + 8n;
const PROGRAM_AT = 256n;
/** The thread runs nothing but the stub, and so stops at once; it is tried for longer all the same. */
const ATTEMPTS = 60;
const PAUSE_NS = 3_000_000n;
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

/** Parts of the guardian's scratch memory. */
interface Places {
  /** Frames that lead to its end, and to the taking back of a thread. */
  readonly endFrame: Address;
  readonly backFrame: Address;
  readonly back: Address;
}

export class Guardian implements Tracer {
  readonly sys: PtraceCalls;
  readonly #places: Places;
  readonly #idle: Inside;
  readonly #guarding: Inside;
  #inside: Inside;

  static start(): Guardian {
    return new Guardian(startSeed(BASE));
  }

  private constructor({ inside: { tracee, memory, ground } }: Seed) {
    const { at, sizeBytes } = ground.scratch;
    const place = (offset: number) => asAddress(at + BigInt(offset));
    this.#places = { endFrame: place(0), backFrame: place(SIGFRAME_ROOM), back: place(2 * SIGFRAME_ROOM) };
    const used = 2 * SIGFRAME_ROOM + PROGRAM_ROOM;
    const scratch = { at: place(used), sizeBytes: sizeBytes - used };
    const registers = tracee.registers();
    const going = (home: Address) => new Inside(tracee, memory, { stub: ground.stub, scratch, home }, registers);
    this.#idle = going(this.#places.endFrame);
    this.#guarding = going(this.#places.backFrame);
    this.#inside = this.#idle;
    this.#writeFrame(this.#places.endFrame, { ip: ground.stub + stubOffset.leave });
    this.#idle.aim(syscalls.getpid.number);
    tracee.setOptions(TRACE_OPTIONS);
    const calls = Object.entries(syscalls).filter(([name]) => name.startsWith("ptrace"));
    this.sys = Object.fromEntries(
      calls.map(([name, row]) => [name, (...values: unknown[]) => this.#call(row, values)]),
    ) as unknown as PtraceCalls;
  }

  wait(tid: Pid): WaitEvent {
    return this.#wait(tid, W.__WALL) ?? { kind: "killed", signal: SIG.SIGKILL };
  }

  poll(tid: Pid): WaitEvent | undefined {
    return this.#wait(tid, W.__WALL | W.WNOHANG);
  }

  #wait(tid: Pid, options: number): WaitEvent | undefined {
    using status = this.#inside.room(4);
    const waited = unless("ECHILD", () => this.#inside.sys.wait4(tid, status.at, options, NULL));
    if (waited === undefined) return { kind: "killed", signal: SIG.SIGKILL };
    if (waited === 0) return undefined;
    return decodeStatus(new DataView(this.#inside.memory.read(status.at, 4).buffer).getInt32(0, true));
  }

  getRegset(tid: Pid, type: number, most: number): Uint8Array {
    using room = this.#inside.room(most);
    const vector = iovec.encode({ iov_base: room.at, iov_len: BigInt(most) });
    this.sys.ptraceGetRegset(tid, type, vector);
    return this.#inside.memory.read(room.at, Number(iovec.decode(vector).iov_len));
  }

  setRegset(tid: Pid, type: number, bytes: Uint8Array): void {
    using room = this.#inside.holding(bytes);
    this.sys.ptraceSetRegset(tid, type, iovec.encode({ iov_base: room.at, iov_len: BigInt(bytes.byteLength) }));
  }

  /** All is written before the register that says where home is changes. */
  guard(tid: Pid, { registers, mask }: { readonly registers: Registers; readonly mask: bigint }): void {
    const { back, backFrame } = this.#places;
    // Wherever it is stopped, the kernel must not take it to be in a call that it was to make again: it makes it again by itself.
    const home = { ...resumed(registers), orig_ax: NOT_IN_A_SYSCALL };
    const pause = timespec.encode({ tv_sec: 0n, tv_nsec: PAUSE_NS });
    const kept = Buffer.concat([
      user_regs_struct.encode(home),
      new Uint8Array(new BigUint64Array([mask]).buffer),
      pause,
    ]);
    const program = takeBack(tid, back);
    const entries = asAddress(back + PROGRAM_AT);
    this.#inside.memory.write(back, kept);
    this.#inside.memory.write(entries, CallList.of(program).bytes);
    const ip = this.#inside.ground.stub + stubOffset.programThenLeave;
    const done = asAddress(back + BigInt(PROGRAM_ROOM - 8));
    this.#writeFrame(backFrame, { ip, r12: entries, r13: BigInt(program.length), bp: 0n, r14: done });
    this.#goBy(this.#guarding);
  }

  unguard(): void {
    this.#goBy(this.#idle);
  }

  #goBy(inside: Inside): void {
    this.#inside = inside;
    inside.aim(syscalls.getpid.number);
  }

  #writeFrame(at: Address, registers: Partial<Registers>): void {
    const { tracee, memory } = this.#inside;
    const state = { ...tracee.registers(), ...registers, orig_ax: NOT_IN_A_SYSCALL };
    memory.write(at, layOutSigframe(at, { registers: state, mask: 0n, xstate: tracee.xstate() }).bytes);
  }

  /** A ptrace call made by the guardian. Buffers are ours: they go there and come back. */
  #call(row: Syscall, values: readonly unknown[]): unknown {
    const rooms: { readonly ours: unknown; readonly room: ReturnType<Inside["holding"]> }[] = [];
    const words = row.args.map(([, type], index) => {
      const kept: Kept = [];
      const word = type.here(values[index], kept);
      const [bytes] = kept;
      if (bytes === undefined) return BigInt(word);
      const room = this.#inside.holding(bytes);
      rooms.push({ ours: values[index], room });
      return room.at;
    });
    const raw = this.#inside.rawCall(row.number, [...row.command.map(BigInt), ...words]);
    for (const { ours, room } of rooms.toReversed()) {
      if (ours instanceof Uint8Array) ours.set(this.#inside.memory.read(room.at, room.sizeBytes));
      room[Symbol.dispose]();
    }
    if (isFailure(raw)) throw new SyscallError(row.name, -Number(raw), showArguments(row, values));
    return row.returns.here(raw);
  }

  end(): void {
    const { tracee, memory } = this.#idle;
    memory[Symbol.dispose]();
    unless("ESRCH", () => sys.kill(tracee.pid, SIG.SIGKILL));
    awaitEnd(tracee.pid);
  }
}

/**
 * Calls that fail do no harm: registers can be set only when the thread is stopped, and stopped it stays. At the entry of a call it would be
 * judged as soon as it is let go, even for no call at all (-1 in strict mode): so it goes on to a second stop, on its way out of the kernel.
 */
function takeBack(tid: Pid, back: Address): RemoteCall[] {
  const attempt = [remote.ptraceSetRegs(tid, 0n, back), remote.nanosleep(asAddress(back + PAUSE_AT), NULL)];
  const attempts = Array.from({ length: ATTEMPTS }, () => attempt).flat();
  return [
    remote.ptraceInterrupt(tid),
    ...attempts,
    remote.ptraceInterrupt(tid),
    remote.ptraceCont(tid, 0n, 0),
    ...attempts,
    remote.ptraceSetSigmask(tid, SIGSET_BYTES, asAddress(back + MASK_AT)),
    remote.ptraceDetach(tid, 0n, 0),
  ];
}
