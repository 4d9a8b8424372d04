// Memory for the calls of 32-bit code (compat.ts), whose pointers reach 4 GiB.
import { MAP, PAGE_SIZE, PROT } from "../kernel/abi/mman.js";
import { type Address, NO_TARGET_FD, NULL } from "../kernel/brand.js";
import type { Inside } from "./inside.js";

/** A page of it with these bytes, for the length of a scope. */
export function lowRoom(inside: Inside, bytes: Uint8Array): Disposable & { readonly at: Address } {
  const flags = MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS | MAP.MAP_32BIT;
  const at = inside.sys.mmap(NULL, PAGE_SIZE, PROT.PROT_READ | PROT.PROT_WRITE, flags, NO_TARGET_FD, 0n);
  inside.memory.write(at, bytes);
  return { at, [Symbol.dispose]: () => void inside.sys.munmap(at, PAGE_SIZE) };
}
