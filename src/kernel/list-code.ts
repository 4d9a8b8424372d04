// The machine code that goes through a list of calls (call-list.ts) in ourselves, and in tasks that share our memory.
import { clone_args } from "./abi/process.js";
import { SIG_SETMASK, SIGSET_BYTES } from "./abi/signal.js";
import { addressOf, runCode } from "./call.js";
import { callOfEntry } from "./call-list.js";
import { SyscallError } from "./errno.js";
import { sys } from "./syscalls.js";

/** Makes the first `count` calls of a list, in order, whatever each returns. */
export function runList(list: bigint, count: number): void {
  runCode(listCode, [list, count]);
}

/** Makes the first call of a list until it returns other than 0, at most so many times. */
export function repeatFirst(list: bigint, times: number): void {
  runCode(repeatCode, [list, times]);
}

/** Members of clone_args that its caller chooses, besides the flags. */
type CloneArgs = Partial<Record<"child_tid" | "parent_tid" | "set_tid" | "set_tid_size", bigint>>;

/** A list in memory, to be gone through from its beginning: at least one call. */
export interface ListAt {
  readonly at: bigint;
  readonly count: number;
}

/** Lists of which whoever goes through them takes one after the other: how many are taken and done, how many there are, and where each is. */
export class SharedLists {
  readonly bytes: Uint8Array;
  readonly #counts: Int32Array;

  constructor(private readonly lists: readonly ListAt[]) {
    const words = BigInt64Array.from([
      0n,
      BigInt(lists.length),
      ...lists.flatMap(({ at, count }) => [at, BigInt(count)]),
    ]);
    this.bytes = new Uint8Array(words.buffer);
    this.#counts = new Int32Array(words.buffer, 0, 2);
  }

  /** Goes through those that nobody has taken yet. */
  run(): void {
    for (let list = this.#take(); list !== undefined; list = this.#take()) {
      runList(list.at, list.count);
      Atomics.add(this.#counts, DONE, 1);
    }
  }

  #take = (): ListAt | undefined => this.lists[Atomics.add(this.#counts, TAKEN, 1)];

  get areDone(): boolean {
    return Atomics.load(this.#counts, DONE) === this.lists.length;
  }
}
const [TAKEN, DONE] = [0, 1];

/**
 * A task that shares our memory goes through lists and ends; all signals are blocked in it. The caller keeps the lists until then.
 * `flags`: CLONE_VM and others. Result: its tid. Throws SyscallError of clone3(2).
 */
export function cloneForLists({ bytes }: SharedLists, flags: bigint, more: CloneArgs = {}): number {
  const args = clone_args.encode({
    ...{ flags, pidfd: 0n, child_tid: 0n, parent_tid: 0n, exit_signal: 0n, stack: 0n, stack_size: 0n },
    ...{ tls: 0n, set_tid: 0n, set_tid_size: 0n, cgroup: 0n, ...more },
  });
  const words = [addressOf(args), args.byteLength, addressOf(bytes)];
  const tid = withoutSignals(() => Number(runCode(cloneCode, words)));
  if (tid < 0) throw new SyscallError("clone3", -tid, [`flags 0x${flags.toString(16)}`]);
  return tid;
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
const listCode = Uint8Array.from(
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
const repeatCode = Uint8Array.from(
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

/** rdi, rsi: clone_args and their size; rdx: SharedLists. Result: the tid, or negative errno. */
const cloneCode = Uint8Array.from(
  [
    [0x41, 0x54], // push r12
    [0x41, 0x55], // push r13
    [0x41, 0x56], // push r14
    [0x49, 0x89, 0xd6], // mov r14, rdx
    [0xb8, 0xb3, 0x01, 0x00, 0x00], // mov eax, 435 (clone3)
    [0x0f, 0x05], // syscall
    [0x85, 0xc0], // test eax, eax
    [0x74, 0x07], // jz +7 (over the way back: the child)
    [0x41, 0x5e], // pop r14
    ...takeBack,
    [0xb8, 0x01, 0x00, 0x00, 0x00], // mov eax, 1
    [0xf0, 0x41, 0x0f, 0xc1, 0x06], // lock xadd [r14], eax
    [0x41, 0x3b, 0x46, 0x08], // cmp eax, [r14+8]
    [0x73, 0x47], // jae +71 (to the end)
    [0x48, 0xc1, 0xe0, 0x04], // shl rax, 4
    [0x4d, 0x8b, 0x64, 0x06, 0x10], // mov r12, [r14+rax*1+16]
    [0x4d, 0x8b, 0x6c, 0x06, 0x18], // mov r13, [r14+rax*1+24]
    ...loop,
    [0xf0, 0x41, 0xff, 0x46, 0x04], // lock inc dword [r14+4]
    [0xeb, 0xa9], // jmp -87 (the next list)
    [0x31, 0xff], // xor edi, edi
    [0xb8, 0x3c, 0x00, 0x00, 0x00], // mov eax, 60 (exit)
    [0x0f, 0x05], // syscall
  ].flat(),
);
