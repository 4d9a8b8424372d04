// Many syscalls of our own with one step out of JavaScript: machine code goes through a list of them. A call through koffi takes some 3 us,
// an entry of the list 0.2 us.
//
// runApart: the list is gone through by a process that shares our memory and descriptors (CLONE_VM, CLONE_FILES) but not our end. We wait
// for it (CLONE_VFORK); should we be killed meanwhile it goes on, shares the memory with nobody then, and finishes the list. For what may not be left half-done.
import { CLONE, clone_args, W } from "./abi/process.js";
import { SCHED_FIFO, sched_attr } from "./abi/sched.js";
import { SIG, SIG_SETMASK, SIGSET_BYTES } from "./abi/signal.js";
import { asPid, type Fd, type Pid } from "./brand.js";
import { addressOf, runCode, type Word } from "./call.js";
import { CallList, callOfEntry, decodeResults, ENTRY_WORDS, type ListedCall } from "./call-list.js";
import { type HereCalls, isFailure, type Kept, type Syscall, showArguments } from "./declare/syscall.js";
import { SyscallError } from "./errno.js";
import { type Syscalls, sys, syscalls } from "./syscalls.js";

/** A syscall to be made by us, its arguments in memory. */
export interface PreparedCall extends ListedCall {
  readonly values: readonly unknown[];
  readonly kept: Kept;
}
type PreparedCalls = {
  readonly [K in keyof Syscalls]: (...args: Parameters<HereCalls<Syscalls>[K]>) => PreparedCall;
};

/** Builds entries: `prepared.close(fd)` is a call to be made, not one made. */
export const prepared = Object.fromEntries(
  Object.entries(syscalls).map(([name, row]) => [name, (...values: unknown[]) => prepare(row, values)]),
) as unknown as PreparedCalls;

function prepare(row: Syscall, values: readonly unknown[]): PreparedCall {
  const kept: Kept = [];
  const words: Word[] = row.command.slice();
  const { args } = row;
  for (let index = 0; index < args.length; index++) words.push(args[index]?.[1].here(values[index], kept) ?? 0);
  return { row, values, words, kept };
}

/** The error of a call that returned `raw`. */
export function failureOf({ row, values }: PreparedCall, raw: Word): SyscallError | undefined {
  return isFailure(raw) ? new SyscallError(row.name, -Number(raw), showArguments(row, values)) : undefined;
}

/** Makes all calls in order, whatever each returns; result: what the kernel returned, negative errno on failure. */
export function runTogether(calls: readonly PreparedCall[]): bigint[] {
  if (calls.length === 0) return [];
  const list = CallList.of(calls).bytes;
  runCode(runList, [addressOf(list), calls.length]);
  release(calls);
  return decodeResults(list);
}

/**
 * A list that is run many times, with other descriptors and integers in it. Preconditions: whatever its arguments point at is kept by the
 * caller; each result is an error or fits into 32 bits.
 */
export class RepeatedCalls {
  readonly #list: Uint8Array;
  /** Two to a word, the lower one first: no bigints are made of what is written and read thousands of times. */
  readonly #halves: Int32Array;
  readonly #address: bigint;

  constructor(readonly calls: readonly PreparedCall[]) {
    this.#list = CallList.of(calls).bytes;
    this.#halves = new Int32Array(this.#list.buffer);
    this.#address = addressOf(this.#list);
  }

  /** Changes an argument, counted from 0 with a command that is one (the 1 in fcntl). */
  aim(call: number, argument: number, value: number): void {
    const at = (call * ENTRY_WORDS + 1 + argument) * 2;
    this.#halves[at] = value;
    this.#halves[at + 1] = value < 0 ? -1 : 0;
  }

  /** Makes all of them, or the first ones. */
  run(count = this.calls.length): void {
    if (count > 0) runCode(runList, [this.#address, count]);
  }

  /** Makes the first call until it returns other than 0, at most so many times. Result: what it returned last. */
  runUntil(times: number): number {
    runCode(repeatCall, [this.#address, times]);
    return this.result(0);
  }

  /** Makes all of them with this descriptor as first argument. */
  runFor(fd: Fd): void {
    for (let call = 0; call < this.calls.length; call++) this.aim(call, 0, fd);
    this.run();
  }

  /** What the kernel returned, negative errno on failure. */
  result(call: number): number {
    return this.#halves[(call * ENTRY_WORDS + ENTRY_WORDS - 1) * 2] ?? 0;
  }
}

/**
 * As runTogether, and certain to be done to the end even when we are killed. `wanted`: by a process with this pid. Throws SyscallError of clone3(2):
 * EEXIST when another process has that pid, EPERM when we may not choose one.
 */
export function runApart(calls: readonly PreparedCall[], wanted?: Pid): bigint[] {
  if (calls.length === 0) return [];
  const all = [prepared.sched_setattr(asPid(0), AT_ONCE, 0), ...calls];
  const list = CallList.of(all).bytes;
  const pid = clonedTo(list, all.length, CLONE.CLONE_VM | CLONE.CLONE_FILES | CLONE.CLONE_VFORK, wanted);
  sys.wait4(pid, null, W.__WALL, null);
  release(all);
  return decodeResults(list).slice(1);
}

/** Calls that a process beside us makes, with our memory and copies of our descriptors, while we go on. What they return is nobody's concern. */
export class Beside {
  readonly #list: Uint8Array;
  readonly #pid: Pid;
  /** What the arguments are in: less than the calls themselves, of which there may be thousands. */
  readonly #kept: Set<ArrayBufferLike>;

  /** Throws SyscallError: there can be no other process. */
  constructor(calls: readonly PreparedCall[]) {
    this.#list = CallList.of(calls).bytes;
    this.#kept = new Set(calls.flatMap(({ kept }) => kept.map(({ buffer }) => buffer)));
    this.#pid = clonedTo(this.#list, calls.length, CLONE.CLONE_VM);
  }

  /** Ends it, whether all of them are made or not. */
  end(): void {
    sys.kill(this.#pid, SIG.SIGKILL);
    sys.wait4(this.#pid, null, W.__WALL, null);
    this.#list.fill(0);
    this.#kept.clear();
  }
}

/** A process that shares our memory goes through the list and ends. `wanted`: the pid that it must have. Result: its pid. */
function clonedTo(list: Uint8Array, count: number, flags: bigint, wanted?: Pid): Pid {
  const tids = new Uint8Array(Int32Array.of(wanted ?? 0).buffer);
  const args = clone_args.encode({
    flags,
    ...{ pidfd: 0n, child_tid: 0n, parent_tid: 0n, exit_signal: 0n, stack: 0n, stack_size: 0n, tls: 0n, cgroup: 0n },
    set_tid: wanted === undefined ? 0n : addressOf(tids),
    set_tid_size: wanted === undefined ? 0n : 1n,
  });
  const pid = withoutSignals(() =>
    Number(runCode(runListApart, [addressOf(args), args.byteLength, addressOf(list), count])),
  );
  if (pid < 0) throw new SyscallError("clone3", -pid, [`flags 0x${flags.toString(16)}`, `set_tid ${wanted ?? "any"}`]);
  return asPid(pid);
}

/**
 * Before any program that is not under a real-time policy: those that we traced run on as soon as we are dead, and are not to see the list
 * half-done. Where that is not allowed (CAP_SYS_NICE), it is done a little later.
 */
const AT_ONCE = sched_attr.encode({
  size: sched_attr.sizeBytes,
  sched_policy: SCHED_FIFO,
  sched_flags: 0n,
  sched_nice: 0,
  sched_priority: 1,
  sched_runtime: 0n,
  sched_deadline: 0n,
  sched_period: 0n,
  sched_util_min: 0,
  sched_util_max: 0,
});

/** A use after the calls: until here no buffer may be collected. */
function release(calls: readonly PreparedCall[]): void {
  for (const { kept } of calls) kept.length = 0;
}

/** A handler of Node's would run in that process, on a stack that is ours. */
function withoutSignals<T>(run: () => T): T {
  const all = new Uint8Array(SIGSET_BYTES).fill(0xff);
  const before = new Uint8Array(SIGSET_BYTES);
  sys.rt_sigprocmask(SIG_SETMASK, all, before, SIGSET_BYTES);
  try {
    return run();
  } finally {
    sys.rt_sigprocmask(SIG_SETMASK, before, null, SIGSET_BYTES);
  }
}

/** r12: the next entry, r13: entries left. */
const loop = [
  ...callOfEntry,
  [0x49, 0x83, 0xc4, 0x40], // add r12, 64
  [0x49, 0xff, 0xcd], // dec r13
  [0x75, 0xce], // jnz -50 (the next entry)
];

const takeBack = [
  [0x41, 0x5d], // pop r13
  [0x41, 0x5c], // pop r12
  [0xc3], // ret
];

/** rdi: the list, rsi: how many entries. */
const runList = Uint8Array.from(
  [
    [0x41, 0x54], // push r12
    [0x41, 0x55], // push r13
    [0x49, 0x89, 0xfc], // mov r12, rdi
    [0x49, 0x89, 0xf5], // mov r13, rsi
    ...loop,
    ...takeBack,
  ].flat(),
);

/** rdi: one entry, rsi: how many times at most. */
const repeatCall = Uint8Array.from(
  [
    [0x41, 0x54], // push r12
    [0x41, 0x55], // push r13
    [0x49, 0x89, 0xfc], // mov r12, rdi
    [0x49, 0x89, 0xf5], // mov r13, rsi
    ...callOfEntry,
    [0x48, 0x85, 0xc0], // test rax, rax
    [0x75, 0x05], // jnz +5 (to the way back)
    [0x49, 0xff, 0xcd], // dec r13
    [0x75, 0xcd], // jnz -51 (the call once more)
    ...takeBack,
  ].flat(),
);

/** rdi, rsi: clone_args and their size; rdx: the list, rcx: how many entries. Result: the pid, or negative errno. */
const runListApart = Uint8Array.from(
  [
    [0x41, 0x54], // push r12
    [0x41, 0x55], // push r13
    [0x49, 0x89, 0xd4], // mov r12, rdx
    [0x49, 0x89, 0xcd], // mov r13, rcx
    [0xb8, 0xb3, 0x01, 0x00, 0x00], // mov eax, 435 (clone3)
    [0x0f, 0x05], // syscall
    [0x85, 0xc0], // test eax, eax
    [0x74, 0x05], // jz +5 (over the way back: the child)
    ...takeBack,
    ...loop,
    [0x31, 0xff], // xor edi, edi
    [0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, 231 (exit_group)
    [0x0f, 0x05], // syscall
  ].flat(),
);
