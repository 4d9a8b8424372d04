// Many syscalls of our own with one step out of JavaScript: machine code goes through a list of them. A call through koffi takes some 3 us,
// an entry of the list 0.2 us.
//
// runApart: the list is gone through by a process that shares our memory and descriptors (CLONE_VM, CLONE_FILES) but not our end. We wait
// for it (CLONE_VFORK); should we be killed meanwhile it goes on, shares the memory with nobody then, and finishes the list. For what may not be left half-done.
import { CLONE, W } from "./abi/process.js";
import { SCHED_FIFO, sched_attr } from "./abi/sched.js";
import { SIG_SETMASK, SIGSET_BYTES } from "./abi/signal.js";
import { asPid, type Fd } from "./brand.js";
import { addressOf, runCode, type Word } from "./call.js";
import { type HereCalls, isFailure, type Kept, type Syscall, showArguments } from "./declare/syscall.js";
import { SyscallError } from "./errno.js";
import { type Syscalls, sys, syscalls } from "./syscalls.js";

/** A syscall to be made by us, its arguments in memory. */
export interface PreparedCall {
  readonly row: Syscall;
  readonly values: readonly unknown[];
  readonly words: readonly Word[];
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
  const words = [...row.command, ...row.args.map(([, type], index) => type.here(values[index], kept))];
  return { row, values, words, kept };
}

/** The error of a call that returned `raw`. */
export function failureOf({ row, values }: PreparedCall, raw: bigint): SyscallError | undefined {
  return isFailure(raw) ? new SyscallError(row.name, -Number(raw), showArguments(row, values)) : undefined;
}

/** Makes all calls in order, whatever each returns; result: what the kernel returned, negative errno on failure. */
export function runTogether(calls: readonly PreparedCall[]): bigint[] {
  if (calls.length === 0) return [];
  const list = encode(calls);
  runCode(runList, [addressOf(list), calls.length]);
  release(calls);
  return decode(list);
}

/**
 * A list that is run many times for one descriptor after another. Preconditions: the first argument of every call is the descriptor, and
 * whatever the others point at is kept by the caller.
 */
export class RepeatedCalls {
  readonly #list: Uint8Array;
  readonly #words: BigInt64Array;
  readonly #address: bigint;

  constructor(readonly calls: readonly PreparedCall[]) {
    this.#list = encode(calls);
    this.#words = new BigInt64Array(this.#list.buffer);
    this.#address = addressOf(this.#list);
  }

  /** What the kernel returned, by the index of the call. */
  run(fd: Fd): (index: number) => bigint {
    const descriptor = BigInt(fd);
    for (let at = 1; at < this.#words.length; at += ENTRY_WORDS) this.#words[at] = descriptor;
    if (this.calls.length > 0) runCode(runList, [this.#address, this.calls.length]);
    return (index) => this.#words[index * ENTRY_WORDS + ENTRY_WORDS - 1] ?? 0n;
  }
}

/** As runTogether, and certain to be done to the end even when we are killed. */
export function runApart(calls: readonly PreparedCall[]): bigint[] {
  if (calls.length === 0) return [];
  const all = [prepared.sched_setattr(asPid(0), AT_ONCE, 0), ...calls];
  const list = encode(all);
  const flags = CLONE.CLONE_VM | CLONE.CLONE_FILES | CLONE.CLONE_VFORK;
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
  const args = new Uint8Array(BigUint64Array.of(flags, 0n, 0n, 0n, 0n, 0n, 0n, 0n).buffer);
  const pid = withoutSignals(() =>
    Number(runCode(runListApart, [addressOf(args), args.byteLength, addressOf(list), all.length])),
  );
  if (pid < 0) throw new SyscallError("clone3", -pid, ["CLONE_VM|CLONE_FILES|CLONE_VFORK"]);
  sys.wait4(asPid(pid), null, W.__WALL, null);
  release(all);
  return decode(list).slice(1);
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

/** An entry is 64 bytes: number, six arguments, result. */
const ENTRY_WORDS = 8;
const ENTRY_BYTES = 64;

function encode(calls: readonly PreparedCall[]): Uint8Array {
  const words = new BigInt64Array(calls.length * ENTRY_WORDS);
  for (const [index, { row, words: values }] of calls.entries()) {
    words[index * ENTRY_WORDS] = BigInt(row.number);
    for (const [position, value] of values.entries()) words[index * ENTRY_WORDS + 1 + position] = BigInt(value);
  }
  return new Uint8Array(words.buffer);
}

function decode(list: Uint8Array): bigint[] {
  const view = new DataView(list.buffer);
  return Array.from({ length: list.byteLength / ENTRY_BYTES }, (_, index) =>
    view.getBigInt64(index * ENTRY_BYTES + 56, true),
  );
}

/** r12: the next entry, r13: entries left. */
const loop = [
  [0x49, 0x8b, 0x04, 0x24], // mov rax, [r12]
  [0x49, 0x8b, 0x7c, 0x24, 0x08], // mov rdi, [r12+8]
  [0x49, 0x8b, 0x74, 0x24, 0x10], // mov rsi, [r12+16]
  [0x49, 0x8b, 0x54, 0x24, 0x18], // mov rdx, [r12+24]
  [0x4d, 0x8b, 0x54, 0x24, 0x20], // mov r10, [r12+32]
  [0x4d, 0x8b, 0x44, 0x24, 0x28], // mov r8, [r12+40]
  [0x4d, 0x8b, 0x4c, 0x24, 0x30], // mov r9, [r12+48]
  [0x0f, 0x05], // syscall
  [0x49, 0x89, 0x44, 0x24, 0x38], // mov [r12+56], rax
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
    [0x74, 0x05], // jz over the way back: the child
    ...takeBack,
    ...loop,
    [0x31, 0xff], // xor edi, edi
    [0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, 231 (exit_group)
    [0x0f, 0x05], // syscall
  ].flat(),
);
