// A vdso of another kernel: the program goes on calling it where it knows it. Its pages come back as ordinary memory, in which each
// function leads to that of this kernel's vdso, or makes the system call; its data, [vvar], is read by nobody any more.
import { type ElfFunction, exportedFunctions } from "../../kernel/elf.js";
import { syscalls } from "../../kernel/syscalls.js";

/** What a function does without a vdso: arguments are those of the system call. */
const callOf: Readonly<Record<string, number>> = {
  clock_getres: syscalls.clock_getres.number,
  clock_gettime: syscalls.clock_gettime.number,
  getcpu: syscalls.getcpu.number,
  getrandom: syscalls.getrandom.number,
  gettimeofday: syscalls.gettimeofday.number,
  time: syscalls.time.number,
};
/** What its callers keep for it is laid out as their own kernel's vdso says. */
const ALWAYS_CALLED = "getrandom";

/** movabs rax, address; jmp rax: rax holds neither argument nor anything that is to be kept. */
const jumpTo = (address: bigint) =>
  Uint8Array.from([0x48, 0xb8, ...new Uint8Array(BigUint64Array.of(address).buffer), 0xff, 0xe0]);
/** mov eax, number; mov r10, rcx; syscall; ret */
const callFor = (number: number) =>
  Uint8Array.from([0xb8, ...new Uint8Array(Uint32Array.of(number).buffer), 0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3]);

/**
 * The pages of the vdso `old`, with its functions leading to `current`, which lies at `at`. Undefined: it has a function that this cannot be
 * done with. Throws ElfFormatError when `old` is no vdso.
 */
export function standIn(old: Uint8Array, current: Uint8Array, at: bigint): Uint8Array | undefined {
  const here = new Map(exportedFunctions(current).map(({ name, offset }) => [plainName(name), at + BigInt(offset)]));
  const pages = old.slice();
  for (const one of exportedFunctions(old)) {
    const code = codeFor(one, here);
    if (code === undefined) continue;
    if (code.byteLength > one.sizeBytes) return undefined;
    pages.set(code, one.offset);
  }
  return pages;
}

/** Undefined: a function that reads nothing of the kernel's data, like that for SGX, stays as it is. */
function codeFor({ name }: ElfFunction, here: ReadonlyMap<string, bigint>): Uint8Array | undefined {
  const plain = plainName(name);
  const target = plain === ALWAYS_CALLED ? undefined : here.get(plain);
  const number = callOf[plain];
  if (number === undefined) return undefined;
  return target === undefined ? callFor(number) : jumpTo(target);
}

/** The kernel exports each under two names. */
const plainName = (name: string) => name.replace(/^__vdso_/, "");
