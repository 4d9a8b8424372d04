import assert from "node:assert/strict";
import { test } from "node:test";
import { user_regs_struct } from "../../src/kernel/abi/ptrace.js";
import { AimedRegisters } from "../../src/tracee/aimed-registers.js";

/** Each register with a number of its own. */
const found = user_regs_struct.decode(
  new Uint8Array(BigUint64Array.from({ length: user_regs_struct.sizeBytes / 8 }, (_, word) => BigInt(word + 1)).buffer),
);

test("a few registers are others, and all the rest what they were, each time", () => {
  const aimed = new AimedRegisters(found);
  const changes = { ax: 39n, orig_ax: 0xffff_ffff_ffff_ffffn, ip: 0x7fff_0000_1000n };
  assert.deepEqual(user_regs_struct.decode(aimed.with(changes)), { ...found, ...changes });
  assert.deepEqual(user_regs_struct.decode(aimed.with({ di: 0n })), { ...found, di: 0n });
  assert.deepEqual(user_regs_struct.decode(aimed.with({})), found);
});
