// The build id of a program or library: the ELF note NT_GNU_BUILD_ID, elf(5). Its bytes stand as words in RegFileEntry, as CRIU has them.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { O, O_RDONLY } from "../../../kernel/abi/fcntl.js";

/** Most files have it in their first page. The second is as far as CRIU looks. */
const LOOK_BYTES = [4096, 1 << 20] as const;
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;
const GNU = Buffer.from("GNU\0");

/** Programs and libraries: others are not opened, since that would break a lease or have an effect of its own. */
export function mayHaveBuildId(name: string, mode: bigint): boolean {
  return (mode & 0o111n) !== 0n || /\.so(\.|$)/.test(name);
}

/** The words of the file's build id; none: it is no ELF file that has one, or cannot be read. */
export function readBuildId(path: string): number[] {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O.O_NONBLOCK | O.O_CLOEXEC);
  } catch {
    return []; // the size has to do: a file that cannot be opened is no reason to dump nothing
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return [];
    for (const most of LOOK_BYTES) {
      const bytes = Buffer.alloc(Math.min(stats.size, most));
      const start = bytes.subarray(0, readSync(fd, bytes, 0, bytes.byteLength, 0));
      const id = parseBuildId(start);
      if (id !== undefined) return wordsOf(id);
      if (!isElf(start)) break;
    }
    return [];
  } finally {
    closeSync(fd);
  }
}

/** What a build id looks like to people. */
export const showBuildId = (words: readonly number[]): string =>
  Buffer.from(Uint32Array.from(words).buffer).toString("hex") || "none";

/** The build id in the beginning of a file; undefined: there is none. */
export function parseBuildId(file: Buffer): Buffer | undefined {
  if (!isElf(file)) return undefined;
  for (const { at, lengthBytes } of noteSegments(file)) {
    const found = buildIdIn(file.subarray(at, at + lengthBytes));
    if (found !== undefined) return found;
  }
  return undefined;
}

const isElf = (file: Buffer) => file.byteLength >= 64 && file.subarray(0, 4).equals(ELF) && file[5] === LITTLE_ENDIAN;

interface Segment {
  readonly at: number;
  readonly lengthBytes: number;
}

/** Elf64_Phdr or Elf32_Phdr of type PT_NOTE. */
function* noteSegments(file: Buffer): Generator<Segment> {
  const is64 = file[4] === CLASS_64;
  const word = (at: number) => (is64 ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at));
  const table = word(is64 ? 32 : 28);
  const entryBytes = file.readUInt16LE(is64 ? 54 : 42);
  const count = file.readUInt16LE(is64 ? 56 : 44);
  const needed = is64 ? 56 : 32;
  if (entryBytes < needed) return;
  for (let index = 0; index < count; index++) {
    const at = table + index * entryBytes;
    if (at + needed > file.byteLength) return;
    if (file.readUInt32LE(at) === PT_NOTE)
      yield { at: word(at + (is64 ? 8 : 4)), lengthBytes: word(at + (is64 ? 32 : 16)) };
  }
}

/** Notes follow each other: three words, the name, the content, both padded to words. */
function buildIdIn(notes: Buffer): Buffer | undefined {
  const padded = (length: number) => Math.ceil(length / 4) * 4;
  for (let at = 0; at + 12 <= notes.byteLength; ) {
    const [nameBytes, contentBytes, type] = [
      notes.readUInt32LE(at),
      notes.readUInt32LE(at + 4),
      notes.readUInt32LE(at + 8),
    ];
    const content = at + 12 + padded(nameBytes);
    if (content + contentBytes > notes.byteLength) return undefined;
    const isGnu = notes.subarray(at + 12, at + 12 + nameBytes).equals(GNU);
    if (type === NT_GNU_BUILD_ID && isGnu && contentBytes > 0) return notes.subarray(content, content + contentBytes);
    at = content + padded(contentBytes);
  }
  return undefined;
}

function wordsOf(id: Buffer | undefined): number[] {
  if (id === undefined) return [];
  const padded = Buffer.alloc(Math.ceil(id.byteLength / 4) * 4);
  id.copy(padded);
  return Array.from({ length: padded.byteLength / 4 }, (_, index) => padded.readUInt32LE(index * 4));
}
