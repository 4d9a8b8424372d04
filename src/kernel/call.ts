// One syscall made by ourselves, through koffi and libc's syscall(2).
import koffi from "koffi";
import { errno } from "./errno.js";

const libc = koffi.load("libc.so.6");
const word = "int64";
const raw = libc.func("syscall", word, [word, word, word, word, word, word, word]);

export type Word = number | bigint;

/** The address of a buffer of ours, for a syscall argument. The caller keeps the buffer alive over the call. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/**
 * Makes the syscall `number`; a call that a signal interrupted is made again unless `interruptible`. Retrying lives here and nowhere else.
 * Result: what the kernel returned, negative errno on failure.
 */
export function call(number: number, words: readonly Word[], options?: { interruptible?: boolean }): Word {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
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
    raw.async(number, a, b, c, d, e, f, (error: Error | null, result: Word) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

const spawn = libc.func("posix_spawn", "int", [word, "str", word, word, word, word]);

/** posix_spawn(3) with no attributes: result is the pid, or negative errno. `argv` and `envp` are lists of C strings. */
export function posixSpawn(path: string, argv: readonly string[]): number {
  const pid = new Int32Array(1);
  const texts = argv.map((text) => Buffer.from(`${text}\0`));
  const pointers = new BigUint64Array([...texts.map(addressOf), 0n]);
  const environment = new BigUint64Array(1);
  const at = (array: ArrayBufferView) => addressOf(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const failed: number = spawn(at(pid), path, 0, 0, at(pointers), at(environment));
  return failed === 0 ? (pid[0] ?? 0) : -failed;
}

const CLONE_PARENT = 0x8000n;

/**
 * Starts a program as a child of our own parent (CLONE_PARENT), with the wanted pid; result: the pid, or negative errno.
 * posix_spawn(3) cannot do that. Between fork and execve only this thread lives in the child: it makes one call and nothing else.
 */
export function spawnAsSibling(path: string, pid: number): number {
  const file = Buffer.from(`${path}\0`);
  const pointers = new BigUint64Array([addressOf(file), 0n]);
  const none = new BigUint64Array(1);
  const at = (array: ArrayBufferView) => addressOf(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const wanted = new Int32Array([pid]);
  // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
  const args = new BigUint64Array([CLONE_PARENT, 0n, 0n, 0n, 0n, 0n, 0n, 0n, at(wanted), 1n, 0n]);
  const [filePointer, argv, envp, argsPointer] = [addressOf(file), at(pointers), at(none), at(args)];
  const born = raw(CLONE3, argsPointer, args.byteLength, 0, 0, 0, 0);
  if (born === 0) {
    raw(EXECVE, filePointer, argv, envp, 0, 0, 0);
    raw(EXIT_GROUP, 127, 0, 0, 0, 0, 0);
  }
  return born === -1 ? -koffi.errno() : Number(born);
}
const CLONE3 = 435;
const EXECVE = 59;
const EXIT_GROUP = 231;
