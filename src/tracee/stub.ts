// The code that runs inside a target, as x86-64 bytes: one mnemonic a line; test/tracee/stub.test.ts disassembles it.
//
// Registers that the stub keeps over a syscall (the kernel clobbers only rax, rcx and r11):
//   rbx  the ucontext of a signal frame: rt_sigreturn(2) on it takes the thread back to where it was
//   r12  the next entry of the program: 8 words, number, six arguments, result
//   r13  entries left        rbp  1: stop at the first entry that fails
//   r12  of a call of 32-bit code alone: what rbx is otherwise, since rbx is its first argument
//   r14  the done word       r15  a timespec: how long to wait for the engine when the program is done

import { callOfEntry } from "../kernel/call-list.js";

/** Back to where the thread was: rsp to the ucontext, rt_sigreturn. */
const goHome = [
  [0x48, 0x89, 0xdc], // mov rsp, rbx
  [0xb8, 0x0f, 0x00, 0x00, 0x00], // mov eax, 15 (rt_sigreturn)
  [0x0f, 0x05], // syscall
];

const oneCall = [
  [0x0f, 0x05], // syscall
  ...goHome,
];

/** A call of 32-bit code, which 64-bit code can make as well: its pointers have 32 bits. */
const oneCompatCall = [
  [0xcd, 0x80], // int 0x80
  [0x4c, 0x89, 0xe3], // mov rbx, r12
  ...goHome,
];

/** The end of a helper task of ours. */
const leave = [
  [0x31, 0xff], // xor edi, edi
  [0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, 231 (exit_group)
  [0x0f, 0x05], // syscall
];

/**
 * A clone whose child, should nobody trace it, ends at once instead of running on as a second copy of the program; and whose caller,
 * left alone, takes that end before it goes home: of a child without an exit signal nobody else would.
 */
const oneClone = [
  [0x0f, 0x05], // syscall
  [0x48, 0x85, 0xc0], // test rax, rax
  [0x74, 0x20], // jz +32 (to leave: the child)
  [0x78, 0x14], // js +20 (to goHome: there is none)
  [0x48, 0x89, 0xc7], // mov rdi, rax
  [0x31, 0xf6], // xor esi, esi
  [0xba, 0x00, 0x00, 0x00, 0x40], // mov edx, 0x40000000 (__WALL)
  [0x45, 0x31, 0xd2], // xor r10d, r10d
  [0xb8, 0x3d, 0x00, 0x00, 0x00], // mov eax, 61 (wait4)
  [0x0f, 0x05], // syscall
  ...goHome,
  ...leave,
];

const programLoop = [
  ...callOfEntry,
  [0x85, 0xed], // test ebp, ebp
  [0x74, 0x08], // jz +8 (over the check)
  [0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff], // cmp rax, -4095
  [0x73, 0x09], // jae +9 (out of the loop)
  [0x49, 0x83, 0xc4, 0x40], // add r12, 64
  [0x49, 0xff, 0xcd], // dec r13
  [0x75, 0xc2], // jnz -62 (the next entry)
  [0x49, 0xc7, 0x06, 0x01, 0x00, 0x00, 0x00], // mov qword [r14], 1
];

/**
 * On a dump: wait until the engine stops us; when it does not come, go home alone. By ppoll(2), which has no restart block: that
 * of the thread may hold the nanosleep(2) or poll(2) that it has to go on with.
 */
const waitThenHome = [
  [0xb8, 0x0f, 0x01, 0x00, 0x00], // mov eax, 271 (ppoll)
  [0x31, 0xff], // xor edi, edi
  [0x31, 0xf6], // xor esi, esi
  [0x4c, 0x89, 0xfa], // mov rdx, r15
  [0x45, 0x31, 0xd2], // xor r10d, r10d
  [0x45, 0x31, 0xc0], // xor r8d, r8d
  [0x0f, 0x05], // syscall
  ...goHome,
];

/** On a restore the task dies with the engine (PTRACE_O_EXITKILL), so a plain trap may end a call or a program. */
const trap = [
  [0xcc], // int3
];

const oneCallThenTrap = [
  [0x0f, 0x05], // syscall
  ...trap,
];

const oneCompatCallThenTrap = [
  [0xcd, 0x80], // int 0x80
  ...trap,
];

/** The seed of a restore waits here until we trace it. Should we be gone by then, nobody would ever end it: after 10 s it does so itself. */
const awaitEngine = [
  [0x6a, 0x00], // push 0
  [0x6a, 0x0a], // push 10: with the word above it a timespec
  [0x48, 0x89, 0xe2], // mov rdx, rsp
  [0xb8, 0x0f, 0x01, 0x00, 0x00], // mov eax, 271 (ppoll)
  [0x31, 0xff], // xor edi, edi
  [0x31, 0xf6], // xor esi, esi
  [0x45, 0x31, 0xd2], // xor r10d, r10d
  [0x45, 0x31, 0xc0], // xor r8d, r8d
  [0x0f, 0x05], // syscall
  ...leave,
];

const pieces = {
  oneCall,
  oneCallThenTrap,
  oneClone,
  oneCompatCall,
  oneCompatCallThenTrap,
  programThenHome: [...programLoop, ...waitThenHome],
  programThenLeave: [...programLoop, ...leave],
  programThenTrap: [...programLoop, ...trap],
  awaitEngine,
  leave,
} as const;
export type StubPiece = keyof typeof pieces;

/** Where each piece begins, in bytes from the start of the stub. */
export const stubOffset: Readonly<Record<StubPiece, bigint>> = place();
/** The whole stub; position-independent. */
export const stubBytes: Uint8Array = Uint8Array.from(
  Object.values(pieces).flatMap((piece) => [...piece.flat(), 0x0f, 0x0b]),
); // ud2 between

/** `oneCall` alone, for the first call made at a place of the target's own code. */
export const oneCallBytes: Uint8Array = Uint8Array.from(oneCall.flat());

function place(): Record<StubPiece, bigint> {
  const offset: Record<StubPiece, bigint> = {
    oneCall: 0n,
    oneCallThenTrap: 0n,
    oneClone: 0n,
    oneCompatCall: 0n,
    oneCompatCallThenTrap: 0n,
    programThenHome: 0n,
    programThenLeave: 0n,
    programThenTrap: 0n,
    awaitEngine: 0n,
    leave: 0n,
  };
  let at = 0n;
  for (const name of Object.keys(pieces) as StubPiece[]) {
    offset[name] = at;
    at += BigInt(pieces[name].flat().length + 2);
  }
  return offset;
}
