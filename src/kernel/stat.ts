// What stat(2) says of a file. Not by node's fs, which makes eight dates of each: a dump asks for every descriptor.
import { AT_SYMLINK_NOFOLLOW } from "./abi/fcntl.js";
import { stat } from "./abi/stat.js";
import { AT_FDCWD, type Fd } from "./brand.js";
import { unless } from "./errno.js";
import { sys } from "./syscalls.js";

export interface Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly rdev: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  /** Of 512 bytes each, allocated. */
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

export function statOf(file: Fd): Stat {
  sys.fstat(file, bytes);
  return statIn(words, 0);
}

/** Undefined: there is nothing at the path. */
export function statAt(path: string, options?: { readonly follow: boolean }): Stat | undefined {
  const flags = options?.follow === false ? AT_SYMLINK_NOFOLLOW : 0;
  return unless(["ENOENT", "ENOTDIR"], () => {
    sys.newfstatat(AT_FDCWD, path, bytes, flags);
    return statIn(words, 0);
  });
}

const bytes = new Uint8Array(stat.sizeBytes);
/** The struct in words of 64 bits. */
const words = new BigUint64Array(bytes.buffer);
const wordAt = new Map(stat.fields.map(({ name, offset }) => [name, offset >> 3]));
const index = (field: string): number => wordAt.get(field) ?? -1;
const DEV = index("st_dev");
const INO = index("st_ino");
const NLINK = index("st_nlink");
const MODE_AND_UID = index("st_mode");
const GID = index("st_gid");
const RDEV = index("st_rdev");
const SIZE = index("st_size");
const BLOCKS = index("st_blocks");
const ATIME = index("st_atime");
const MTIME = index("st_mtime");
const LOW = 0xffffffffn;
const SECOND = 1_000_000_000n;

/** Decodes one of many; `start`: the index of its first word. */
export function statIn(words: BigUint64Array, start: number): Stat {
  const word = (at: number): bigint => words[start + at] ?? 0n;
  return {
    dev: word(DEV),
    ino: word(INO),
    nlink: word(NLINK),
    mode: word(MODE_AND_UID) & LOW,
    uid: word(MODE_AND_UID) >> 32n,
    gid: word(GID) & LOW,
    rdev: word(RDEV),
    size: word(SIZE),
    blocks: word(BLOCKS),
    atimeNs: word(ATIME) * SECOND + word(ATIME + 1),
    mtimeNs: word(MTIME) * SECOND + word(MTIME + 1),
  };
}

export type ModeAndSize = Pick<Stat, "mode" | "size">;

/** No more of one of many than what tells whether it is still the file it was. */
export const modeAndSizeIn = (words: BigUint64Array, start: number): ModeAndSize => ({
  mode: (words[start + MODE_AND_UID] ?? 0n) & LOW,
  size: words[start + SIZE] ?? 0n,
});

export const STAT_WORDS = stat.sizeBytes >> 3;

/** Whether two are of the same inode. */
export const isSameInode = (words: BigUint64Array, start: number, other: number): boolean =>
  words[start + DEV] === words[other + DEV] && words[start + INO] === words[other + INO];

const S_IFMT = 0o170000n;
const S_IFSOCK = 0o140000n;
export const isSocketIn = (words: BigUint64Array, start: number): boolean =>
  ((words[start + MODE_AND_UID] ?? 0n) & S_IFMT) === S_IFSOCK;
