// A syscall in every thread of ours. What it changes may belong to each thread: credentials(7). Node's other threads run no JavaScript, so they
// are told by a signal whose handler is machine code, as glibc does it for setuid(2): with its signal, the one that no thread of a C program
// has blocked. glibc's own handler is put back.
import { k_sigaction } from "./abi/signal.js";
import { asPid } from "./brand.js";
import { addressOf, addressOfCode, call, type Word } from "./call.js";
import type { Syscall } from "./declare/syscall.js";
import { unless } from "./errno.js";
import { listThreads } from "./proc/tasks.js";
import { sys } from "./syscalls.js";

/** SIGSETXID of glibc's nptl. */
const SIGNAL = 33;
const SIGSET_BYTES = 8;
const SA_RESTART = 0x10000000n;
const SA_RESTORER = 0x04000000n;
const WAIT_NS = 1_000_000n;
const MOST_WAITS = 5000;

const imm64 = (value: bigint) => [...new Uint8Array(new BigUint64Array([value]).buffer)];

/** void handler(int): makes the call, and counts. Registers are the kernel's to save. */
const handler = (number: number, [a = 0, b = 0, c = 0, d = 0, e = 0]: readonly Word[], count: bigint) =>
  Uint8Array.from([
    ...[0x48, 0xb8, ...imm64(BigInt(number))], // mov rax, number
    ...[0x48, 0xbf, ...imm64(BigInt(a))], // mov rdi, a
    ...[0x48, 0xbe, ...imm64(BigInt(b))], // mov rsi, b
    ...[0x48, 0xba, ...imm64(BigInt(c))], // mov rdx, c
    ...[0x49, 0xba, ...imm64(BigInt(d))], // mov r10, d
    ...[0x49, 0xb8, ...imm64(BigInt(e))], // mov r8, e
    ...[0x0f, 0x05], // syscall
    ...[0x48, 0xb9, ...imm64(count)], // mov rcx, count
    ...[0xf0, 0x48, 0xff, 0x01], // lock inc qword [rcx]
    0xc3, // ret
  ]);

/** Where a handler returns to. */
const restorer = Uint8Array.from([
  ...[0xb8, 0x0f, 0x00, 0x00, 0x00], // mov eax, 15 (rt_sigreturn)
  ...[0x0f, 0x05], // syscall
]);

/**
 * Makes the call in this thread and in every other one that there is now. What it returns is not looked at: the caller sees what has become
 * of the threads. Memory that `words` point to has to stay.
 * @throws Error when a thread does not come to it
 */
export function inEveryThread({ number }: Pick<Syscall, "number">, words: readonly Word[]): void {
  call(number, words);
  const count = new BigUint64Array(1);
  const code = handler(number, words, addressOf(new Uint8Array(count.buffer)));
  const before = new Uint8Array(k_sigaction.sizeBytes);
  const ours = k_sigaction.encode({
    handler: addressOfCode(code),
    flags: SA_RESTART | SA_RESTORER,
    restorer: addressOfCode(restorer),
    mask: 0n,
  });
  sys.rt_sigaction(SIGNAL, ours, before, SIGSET_BYTES);
  try {
    const self = asPid(process.pid);
    const others = listThreads(self).filter((tid) => tid !== self);
    const told = others.filter((tid) => unless("ESRCH", () => sys.tgkill(self, tid, SIGNAL) ?? true) === true);
    awaitCount(count, told.length);
  } finally {
    sys.rt_sigaction(SIGNAL, before, null, SIGSET_BYTES);
  }
}

function awaitCount(count: BigUint64Array, wanted: number): void {
  const pause = new Uint8Array(new BigUint64Array([0n, WAIT_NS]).buffer);
  for (let waits = 0; Number(count[0]) < wanted; waits++) {
    if (waits >= MOST_WAITS)
      throw new Error(`${wanted - Number(count[0])} threads of ours do not take signal ${SIGNAL}`);
    sys.nanosleep(pause, null);
  }
}
