import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asPid } from "../../../src/kernel/brand.js";
import { parseMaps, parseSmaps, readMappings, readMaps } from "../../../src/kernel/proc/maps.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

const MAPS = `55b35013d000-55b35013f000 r--p 00002000 fe:00 260131                     /usr/bin/a b\\012c
7f0d92000000-7f0d92021000 rw-p 00000000 00:00 0 
7f0d92100000-7f0d92101000 rw-s 00000000 00:01 1025                       /dev/zero (deleted)
7f0d92101000-7f0d92102000 rw-p 00000000 00:00 0                          [anon:arena 1]
7f0d92102000-7f0d92103000 rw-s 00000000 00:01 1026                       [anon_shmem:ring]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;
const SMAPS = `7f0d92000000-7f0d92021000 rw-p 00000000 00:00 0 
Size:                132 kB
THPeligible:           0
ProtectionKey:         0
VmFlags: rd wr mr mw me ac 
7f0d92100000-7f0d92101000 rw-s 00000000 00:01 1025                       /dev/zero (deleted)
Size:                  4 kB
VmFlags: rd wr sh mr mw me ms 
`;

test("a mapping of a file has its path, place in the file, device and inode", () => {
  const [mapping] = parseMaps(MAPS);
  assert.deepEqual(mapping, {
    start: 0x55b35013d000n,
    end: 0x55b35013f000n,
    readable: true,
    writable: false,
    executable: false,
    shared: false,
    offset: 0x2000n,
    major: 0xfe,
    minor: 0,
    inode: 260131n,
    path: "/usr/bin/a b\nc",
    deleted: false,
    vmFlags: new Set(),
  });
});

test("anonymous memory has no path, named or not", () => {
  const [, plain, , named, namedShared] = parseMaps(MAPS);
  assert.deepEqual([plain?.path, plain?.anonName], ["", undefined]);
  assert.deepEqual([named?.path, named?.anonName], ["", "arena 1"]);
  assert.deepEqual([namedShared?.path, namedShared?.anonName, namedShared?.inode], ["", "ring", 1026n]);
});

test("a deleted file is told apart from its name", () => {
  const shared = parseMaps(MAPS)[2];
  assert.deepEqual([shared?.path, shared?.deleted, shared?.shared], ["/dev/zero", true, true]);
});

test("the kernel's own names stay as they are", () => {
  const last = parseMaps(MAPS).at(-1);
  assert.deepEqual(
    [last?.path, last?.readable, last?.executable, last?.end],
    ["[vsyscall]", false, true, 0xffffffffff601000n],
  );
});

test("smaps gives the flags of each mapping", () => {
  const mappings = parseSmaps(SMAPS);
  assert.deepEqual(
    mappings.map(({ start, vmFlags }) => [start, [...vmFlags].join(" ")]),
    [
      [0x7f0d92000000n, "rd wr mr mw me ac"],
      [0x7f0d92100000n, "rd wr sh mr mw me ms"],
    ],
  );
});

test("smaps that ends before the flags of a mapping is refused", () => {
  assert.throws(() => parseSmaps(SMAPS.slice(0, SMAPS.lastIndexOf("VmFlags"))), ProcFormatError);
});

test("any text gives mappings or is refused", () => {
  understandsOrRefuses(parseMaps, [MAPS]);
  understandsOrRefuses(parseSmaps, [SMAPS]);
});

const mapping = fc.record({
  start: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  end: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  rights: fc.tuple(
    fc.constantFrom("r", "-"),
    fc.constantFrom("w", "-"),
    fc.constantFrom("x", "-"),
    fc.constantFrom("s", "p"),
  ),
  offset: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  inode: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
});

test("what the kernel prints of a mapping is read back, digit for digit", () => {
  fc.assert(
    fc.property(mapping, ({ start, end, rights, offset, inode }) => {
      const hex = (value: bigint) => value.toString(16).padStart(8, "0");
      const [read] = parseMaps(`${hex(start)}-${hex(end)} ${rights.join("")} ${hex(offset)} 103:0a ${inode} /x\n`);
      assert.deepEqual(
        [read?.start, read?.end, read?.offset, read?.inode, read?.major, read?.minor],
        [start, end, offset, inode, 0x103, 10],
      );
      const found = [read?.readable, read?.writable, read?.executable, read?.shared];
      assert.deepEqual(found, [rights[0] === "r", rights[1] === "w", rights[2] === "x", rights[3] === "s"]);
    }),
  );
});

test("our own mappings are the same in maps and smaps, and every one has flags", () => {
  const self = asPid(process.pid);
  const text = readMappings(self).find(({ path, executable }) => path === process.execPath && executable);
  assert.ok(text?.vmFlags.has("ex"));
  const quick = readMaps(self).find(({ start }) => start === text?.start);
  assert.deepEqual({ ...quick, vmFlags: text?.vmFlags }, text);
});

test("ten thousand mappings are parsed in well under a second", () => {
  const smaps = SMAPS.repeat(5000);
  const began = performance.now();
  assert.equal(parseSmaps(smaps).length, 10_000);
  assert.ok(performance.now() - began < 500);
});

test("a process that is gone has no mappings", () => {
  assert.deepEqual(readMappings(asPid(0x3fffff)), []);
});
