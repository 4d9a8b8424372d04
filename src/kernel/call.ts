// One syscall made by ourselves, through koffi and libc's syscall(2). Both are loaded by the first call: a program that imports us and makes none
// needs neither, on any system.
import { createRequire } from "node:module";
import type Koffi from "koffi";
import { errno } from "./errno.js";

const word = "int64";

function load() {
  const koffi: typeof Koffi = createRequire(import.meta.url)("koffi");
  const libc = koffi.load("libc.so.6");
  return {
    koffi,
    raw: libc.func("syscall", word, [word, word, word, word, word, word, word]),
    spawn: libc.func("posix_spawn", "int", [word, "str", word, word, word, word]),
    machineCode: koffi.proto("machineCode", word, [word, word, word, word, word]),
  };
}
let loaded: ReturnType<typeof load> | undefined;
function native(): ReturnType<typeof load> {
  loaded ??= load();
  return loaded;
}

export type Word = number | bigint;

/** The address of a buffer of ours, for a syscall argument. The caller keeps the buffer alive over the call. */
export function addressOf(buffer: Uint8Array): bigint {
  return native().koffi.address(buffer);
}

/**
 * Makes the syscall `number`; a call that a signal interrupted is made again unless `interruptible`. Retrying lives here and nowhere else.
 * Result: what the kernel returned, negative errno on failure.
 */
export function call(number: number, words: readonly Word[], options?: { interruptible?: boolean }): Word {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
  const { raw, koffi } = native();
  for (;;) {
    const result: Word = raw(number, a, b, c, d, e, f);
    if (result !== -1) return result;
    const failed = koffi.errno();
    if (failed !== errno.EINTR || options?.interruptible === true) return -failed;
  }
}

/**
 * Makes the syscall `number` on a thread of libuv's pool, so that the event loop runs on meanwhile. For calls whose failure needs no
 * name: it is -1, errno stays with that thread. The caller keeps buffers alive until the promise settles.
 */
export function callAsync(number: number, words: readonly Word[]): Promise<Word> {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
  return new Promise((resolve, reject) => {
    native().raw.async(number, a, b, c, d, e, f, (error: Error | null, result: Word) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

/** posix_spawn(3) with no attributes: result is the pid, or negative errno. `argv` and `envp` are lists of C strings. */
export function posixSpawn(path: string, argv: readonly string[]): number {
  const pid = new Int32Array(1);
  const texts = argv.map((text) => Buffer.from(`${text}\0`));
  const pointers = new BigUint64Array([...texts.map(addressOf), 0n]);
  const environment = new BigUint64Array(1);
  const at = (array: ArrayBufferView) => addressOf(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const failed: number = native().spawn(at(pid), path, 0, 0, at(pointers), at(environment));
  return failed === 0 ? (pid[0] ?? 0) : -failed;
}

const CLONE_VFORK = 0x4000n;
const CLONE_PARENT = 0x8000n;

/**
 * clone3(2), and execve(2) in the child. In a copy of our process neither JavaScript nor koffi can run (it ends with SIGSEGV), so what the child
 * does is machine code that uses registers alone. Arguments: rdi, rsi: clone_args and their size; rdx: path, rcx: argv, r8: envp.
 */
const cloneAndExecute = Uint8Array.from(
  [
    [0x49, 0x89, 0xc9], // mov r9, rcx: a syscall overwrites rcx
    [0x49, 0x89, 0xd2], // mov r10, rdx
    [0xb8, 0xb3, 0x01, 0x00, 0x00], // mov eax, 435 (clone3)
    [0x0f, 0x05], // syscall
    [0x85, 0xc0], // test eax, eax
    [0x74, 0x01], // jz +1 (over the ret)
    [0xc3], // ret: the pid, or negative errno
    [0x4c, 0x89, 0xd7], // mov rdi, r10
    [0x4c, 0x89, 0xce], // mov rsi, r9
    [0x4c, 0x89, 0xc2], // mov rdx, r8
    [0xb8, 0x3b, 0x00, 0x00, 0x00], // mov eax, 59 (execve)
    [0x0f, 0x05], // syscall
    [0xbf, 0x7f, 0x00, 0x00, 0x00], // mov edi, 127
    [0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, 231 (exit_group)
    [0x0f, 0x05], // syscall
  ].flat(),
);

/**
 * Starts a program as a child of our own parent (CLONE_PARENT), with the wanted pid; result: the pid, or negative errno. posix_spawn(3) cannot
 * do that. Like there, the program runs already when this returns (CLONE_VFORK).
 */
export function spawnAsSibling(path: string, pid: number): number {
  const file = Buffer.from(`${path}\0`);
  const pointers = new BigUint64Array([addressOf(file), 0n]);
  const none = new BigUint64Array(1);
  const at = (array: ArrayBufferView) => addressOf(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const wanted = new Int32Array([pid]);
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
  const args = new BigUint64Array([CLONE_PARENT | CLONE_VFORK, 0n, 0n, 0n, 0n, 0n, 0n, 0n, at(wanted), 1n, 0n]);
  const words = [at(args), args.byteLength, addressOf(file), at(pointers), at(none)];
  return Number(runCode(cloneAndExecute, words));
}

/** Calls machine code as a function of up to five words (rdi, rsi, rdx, rcx, r8); result: what it leaves in rax. */
export function runCode(code: Uint8Array, words: readonly Word[]): Word {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = words;
  const { koffi, machineCode } = native();
  return koffi.call(addressOfCode(code), machineCode, a, b, c, d, e);
}

/** Where this machine code stands in memory of ours that may be executed. Each code keeps its page. */
export function addressOfCode(code: Uint8Array): bigint {
  const page = pages.get(code) ?? executable(code);
  pages.set(code, page);
  return page;
}
const pages = new Map<Uint8Array, bigint>();
const PAGE_BYTES = 4096;

/** A page of our own that holds `code` and may be executed. */
function executable(code: Uint8Array): bigint {
  const MMAP = 9;
  const READ_WRITE_EXECUTE = 7;
  const PRIVATE_ANONYMOUS = 0x22;
  const { raw, koffi } = native();
  const page = raw(MMAP, 0, PAGE_BYTES, READ_WRITE_EXECUTE, PRIVATE_ANONYMOUS, -1, 0);
  if (page === -1) throw new Error(`mmap of a page for code: errno ${koffi.errno()}`);
  new Uint8Array(koffi.view(BigInt(page), PAGE_BYTES)).set(code);
  return BigInt(page);
}
