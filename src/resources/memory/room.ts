// Addresses that a task being restored will not use.
import type { MmEntry } from "../../images/format/entries.js";
import { TASK_SIZE } from "../../kernel/abi/mman.js";
import { type Address, asAddress } from "../../kernel/brand.js";
import type { Inside } from "../../tracee/inside.js";
import { REGION_BYTES } from "../../tracee/seed.js";

/** Huge pages want it aligned, and what lies below may grow. */
const ALIGNMENT = 1n << 30n;

/** Where neither the task will have anything nor we have. */
export function freeRoom({ ground }: Inside, { vmas }: MmEntry, lengthBytes: bigint): Address {
  const region = { start: BigInt(ground.stub), end: ground.stub + BigInt(REGION_BYTES) };
  const taken = [...vmas, region].sort((a, b) => (a.start < b.start ? -1 : 1));
  let at = ALIGNMENT;
  for (const { start, end } of taken) {
    if (start >= at + lengthBytes) break;
    if (end > at) at = (end + ALIGNMENT - 1n) & -ALIGNMENT;
  }
  if (at + lengthBytes > TASK_SIZE) throw new RangeError(`no room for ${lengthBytes} bytes`);
  return asAddress(at);
}
