// Many paths at a time: newfstatat(2) and openat(2), each made for many of them in one step (batch.ts).
import { AT_SYMLINK_NOFOLLOW } from "./abi/fcntl.js";
import { prepared, RepeatedCalls } from "./batch.js";
import { AT_FDCWD, asFd, type Fd } from "./brand.js";
import { type ModeAndSize, modeAndSizeIn, STAT_WORDS, statAt } from "./stat.js";

const AT_ONCE = 512;
/** With its NUL; a longer path is not asked for together with others. */
const ROOM_BYTES = 512;
const STAT_BYTES = STAT_WORDS * 8;

/** Room for paths and answers, and the calls that go through them. */
class Rooms {
  readonly #paths = Buffer.alloc(AT_ONCE * ROOM_BYTES);
  readonly #stats = new BigUint64Array(AT_ONCE * STAT_WORDS);
  readonly #look: RepeatedCalls;
  readonly #open: RepeatedCalls;

  constructor() {
    const rows = Array.from({ length: AT_ONCE }, (_, row) => ({
      path: this.#paths.subarray(row * ROOM_BYTES, (row + 1) * ROOM_BYTES),
      stat: new Uint8Array(this.#stats.buffer, row * STAT_BYTES, STAT_BYTES),
    }));
    this.#look = new RepeatedCalls(rows.map(({ path, stat }) => prepared.newfstatat(AT_FDCWD, path, stat, 0)));
    this.#open = new RepeatedCalls(rows.map(({ path }) => prepared.openat(AT_FDCWD, path, 0, 0)));
  }

  look(some: readonly PathToLookAt[]): (ModeAndSize | undefined)[] {
    const fits = some.map(({ path, follow }, row) => {
      this.#look.aim(row, 3, follow ? 0 : AT_SYMLINK_NOFOLLOW);
      return this.#put(row, path);
    });
    this.#look.runRows(some.length, 1);
    // Whatever is the matter otherwise, the call by itself tells.
    return some.map(({ path, follow }, row) =>
      fits[row] === true && this.#look.result(row) === 0
        ? modeAndSizeIn(this.#stats, row * STAT_WORDS)
        : statAt(path, { follow }),
    );
  }

  open(some: readonly PathToOpen[]): (Fd | undefined)[] {
    const fits = some.map(({ path, flags }, row) => {
      this.#open.aim(row, 2, flags);
      return this.#put(row, path);
    });
    this.#open.runRows(some.length, 1);
    return some.map((_, row) => {
      const result = this.#open.result(row);
      return fits[row] === true && result >= 0 ? asFd(result) : undefined;
    });
  }

  /** False: it is too long. The kernel finds no path there then, and opens nothing. */
  #put(row: number, path: string): boolean {
    const at = row * ROOM_BYTES;
    const fits = path.length * MOST_BYTES_A_UNIT < ROOM_BYTES || Buffer.byteLength(path) < ROOM_BYTES;
    const length = fits ? this.#paths.write(path, at) : 0;
    this.#paths[at + length] = 0;
    return fits;
  }
}
/** Of UTF-8, for one unit of UTF-16. */
const MOST_BYTES_A_UNIT = 3;
let rooms: Rooms | undefined;

export interface PathToLookAt {
  readonly path: string;
  /** Whether a symbolic link that it ends with is followed. */
  readonly follow: boolean;
}

/** As statAt, of many. */
export function modesAndSizesAt(paths: readonly PathToLookAt[]): (ModeAndSize | undefined)[] {
  rooms ??= new Rooms();
  return inParts(paths, rooms.look.bind(rooms));
}

export interface PathToOpen {
  readonly path: string;
  readonly flags: number;
}

/** Undefined: it cannot be opened, or its path is too long. The call by itself tells. */
export function openMany(paths: readonly PathToOpen[]): (Fd | undefined)[] {
  rooms ??= new Rooms();
  return inParts(paths, rooms.open.bind(rooms));
}

function inParts<T, R>(items: readonly T[], work: (some: readonly T[]) => R[]): R[] {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) results.push(...work(items.slice(from, from + AT_ONCE)));
  return results;
}
