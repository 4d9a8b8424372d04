// The signal frame that we lay out against one that the kernel made.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { user_regs_struct } from "../../src/kernel/abi/ptrace.js";
import { errno } from "../../src/kernel/errno.js";
import { layOutSigframe, resumed } from "../../src/tracee/sigframe.js";
import type { Registers } from "../../src/tracee/tracee.js";
import { startProgram } from "../support/program.js";

const UCONTEXT_BYTES = 304;
/** Where we put the floating-point state; the kernel puts it where it fits. */
const FPSTATE_AT = 512;
/** struct _fpx_sw_bytes: magic, size of all, features, size without the second magic. */
const SOFTWARE_BYTES = { at: 464, features: 472, xstateSize: 480 } as const;
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

const nobody: Registers = user_regs_struct.decode(new Uint8Array(user_regs_struct.sizeBytes));

/** From lines such as "r8 1234"; the segments are four half-words. */
function registersIn(output: string): Registers {
  const said = Object.fromEntries(
    [...output.matchAll(/^(\w+) (\d+)$/gm)].map(([, name = "", value = ""]) => [name, BigInt(value)]),
  );
  const { segments = 0n, ...general } = said;
  const segment = (index: bigint) => (segments >> (16n * index)) & 0xffffn;
  return {
    ...nobody,
    ...general,
    ...{ cs: segment(0n), gs: segment(1n), fs: segment(2n), ss: segment(3n) },
    orig_ax: NOT_IN_A_SYSCALL,
  };
}

/** PTRACE_GETREGSET has the features where a frame has its first magic, and no second one. */
function asPtraceShows(fpstate: Buffer): Uint8Array {
  const xstate = Buffer.from(fpstate.subarray(0, fpstate.readUInt32LE(SOFTWARE_BYTES.xstateSize)));
  const features = fpstate.readBigUInt64LE(SOFTWARE_BYTES.features);
  xstate.fill(0, SOFTWARE_BYTES.at, 512);
  xstate.writeBigUInt64LE(features, SOFTWARE_BYTES.at);
  return Uint8Array.from(xstate);
}

test("registers, mask and floating-point state lie where the kernel puts them", async () => {
  await using program = await startProgram("frame");
  const kernels = readFileSync(join(program.directory, "frame"));
  const fpstate = kernels.subarray(UCONTEXT_BYTES);
  const xstate = asPtraceShows(fpstate);
  const mask = kernels.readBigUInt64LE(296);
  assert.equal(mask, (1n << 0n) | (1n << 63n), "SIGHUP and SIGRTMAX");
  const ours = layOutSigframe(0x10000n, { registers: registersIn(program.output()), mask, xstate }).bytes;
  const fields: readonly (readonly [name: string, from: number, to: number])[] = [
    ["uc_flags and uc_link", 0, 16],
    ["general registers and segments", 40, 192],
    ["mask", 296, UCONTEXT_BYTES],
  ];
  for (const [name, from, to] of fields)
    assert.deepEqual(Buffer.from(ours.subarray(from, to)), kernels.subarray(from, to), name);
  assert.equal(new DataView(ours.buffer).getBigUint64(224, true), 0x10000n + BigInt(FPSTATE_AT));
  assert.deepEqual(Buffer.from(ours.subarray(FPSTATE_AT)), fpstate, "floating-point state, with its two magic numbers");
});

test("a call that the kernel would make again is made again, others are left with their result", () => {
  const ERESTARTSYS = 512;
  const returned = (number: number) => BigInt.asUintN(64, BigInt(-number));
  const inside = { ...nobody, orig_ax: 0n, ip: 1000n };
  assert.deepEqual(resumed({ ...inside, ax: returned(ERESTARTSYS) }), { ...inside, ax: 0n, ip: 998n });
  assert.deepEqual(resumed({ ...inside, ax: returned(errno.EINTR) }), { ...inside, ax: returned(errno.EINTR) });
  const outside = { ...inside, orig_ax: NOT_IN_A_SYSCALL, ax: returned(ERESTARTSYS) };
  assert.deepEqual(resumed(outside), outside);
});
