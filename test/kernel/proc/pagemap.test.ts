import assert from "node:assert/strict";
import { test } from "node:test";
import { O } from "../../../src/kernel/abi/fcntl.js";
import { MADV, MAP, PROT } from "../../../src/kernel/abi/mman.js";
import { CATEGORY } from "../../../src/kernel/abi/pagemap.js";
import { type Address, AT_FDCWD, asAddress, NO_FD, NULL } from "../../../src/kernel/brand.js";
import { own } from "../../../src/kernel/own-fd.js";
import { type PageFilter, scanPages } from "../../../src/kernel/proc/pagemap.js";
import { sys } from "../../../src/kernel/syscalls.js";

const PAGE = 4096n;
const ANONYMOUS = MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS;

/** Anonymous memory of our own, unmapped at the end of its scope. */
function area(pages: bigint): Disposable & { readonly start: Address } {
  const start = sys.mmap(NULL, pages * PAGE, PROT.PROT_READ | PROT.PROT_WRITE, ANONYMOUS, NO_FD, 0n);
  // One touch of a huge page would make 512 pages present.
  sys.madvise(start, pages * PAGE, MADV.MADV_NOHUGEPAGE);
  return { start, [Symbol.dispose]: () => sys.munmap(start, pages * PAGE) };
}

/** Writes a byte at an address that JavaScript has no array for. */
function touch(at: Address): void {
  using memory = own(sys.openat(AT_FDCWD, "/proc/self/mem", O.O_RDWR | O.O_CLOEXEC, 0));
  assert.equal(sys.pwrite64(memory.fd, new Uint8Array([1]), 1, at), 1);
}

function scan(start: Address, pages: bigint, filter: PageFilter): [page: number, count: number, categories: bigint][] {
  using pagemap = own(sys.openat(AT_FDCWD, "/proc/self/pagemap", O.O_CLOEXEC, 0));
  const regions = [...scanPages(pagemap.fd, start, asAddress(start + pages * PAGE), filter)];
  return regions.map((region) => [
    Number((region.start - start) / PAGE),
    Number((region.end - region.start) / PAGE),
    region.categories,
  ]);
}

test("pages that were touched are found, neighbours as one region", () => {
  using memory = area(64n);
  const { start } = memory;
  for (const page of [3n, 4n, 5n, 20n]) touch(asAddress(start + page * PAGE));
  assert.deepEqual(scan(start, 64n, { anyOf: CATEGORY.PRESENT | CATEGORY.SWAPPED }), [
    [3, 3, 0n],
    [20, 1, 0n],
  ]);
});

test("an inverted category must be absent", () => {
  using memory = area(8n);
  const { start } = memory;
  touch(start);
  assert.deepEqual(scan(start, 8n, { required: CATEGORY.PRESENT, inverted: CATEGORY.PRESENT }), [[1, 7, 0n]]);
  const own = {
    required: CATEGORY.FILE | CATEGORY.PFNZERO,
    inverted: CATEGORY.FILE | CATEGORY.PFNZERO,
    anyOf: CATEGORY.PRESENT,
  };
  assert.deepEqual(scan(start, 8n, own), [[0, 1, 0n]]);
});

test("returned categories tell regions apart", () => {
  using memory = area(4n);
  const { start } = memory;
  touch(asAddress(start + PAGE));
  assert.deepEqual(scan(start, 4n, { returned: CATEGORY.PRESENT }), [
    [0, 1, 0n],
    [1, 1, CATEGORY.PRESENT],
    [2, 2, 0n],
  ]);
});

test("more regions than one call holds are found by several", () => {
  const pages = 10_000n;
  using memory = area(pages);
  const { start } = memory;
  for (let page = 0n; page < pages; page += 2n) touch(asAddress(start + page * PAGE));
  const found = scan(start, pages, { anyOf: CATEGORY.PRESENT });
  assert.equal(found.length, 5000);
  assert.ok(found.every(([page, count], index) => page === 2 * index && count === 1));
});

test("an empty range has no pages", () => {
  using memory = area(1n);
  assert.deepEqual(scan(memory.start, 0n, {}), []);
});
