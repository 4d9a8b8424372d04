// Write leases: fcntl(2), F_SETLEASE. Whoever opens such a file, for reading too, waits until its holder has given it up, and the holder is frozen.
// They are looked for in fdinfo and not in /proc/locks: to show that, the kernel takes all file locks of the machine away for some 10 ms
// (fs/locks.c:locks_start, percpu_down_write), in which the program stands still.
import type { OpenFile } from "../../kind.js";

/** "1: LEASE  ACTIVE    WRITE 4713 fe:10:77 0 EOF"; UNLCK: it is being broken already. */
const WRITE_LEASE = /^\d+: +LEASE +\S+ +(?:WRITE|UNLCK) /;

/** Of one dump. It takes that no other description is open to get one, so the descriptors that have been collected tell of all but one whose last is closed. */
export class WriteLeases {
  readonly #files = new Set<string>();

  /** Whether one is known to be held on the file. */
  isHeldOn({ stat, fdinfo }: OpenFile): boolean {
    const file = `${stat.dev}:${stat.ino}`;
    if (fdinfo?.fields.get("lock")?.some((line) => WRITE_LEASE.test(line))) this.#files.add(file);
    return this.#files.has(file);
  }
}
