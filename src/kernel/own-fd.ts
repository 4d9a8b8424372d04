// A descriptor of ours that closes with its scope.
import type { Fd } from "./brand.js";
import { sys } from "./syscalls.js";

/** Owns `fd`: `using file = own(sys.openat(...))` closes it at the end of the scope, whatever happens. */
export interface OwnFd extends Disposable {
  readonly fd: Fd;
  /** Gives the descriptor up: the scope will not close it any more. */
  release(): Fd;
}

export function own(fd: Fd): OwnFd {
  let held = true;
  return {
    fd,
    release() {
      held = false;
      return fd;
    },
    [Symbol.dispose]() {
      if (held) sys.close(fd);
      held = false;
    },
  };
}

/** A descriptor that `complete` has still something to do with; should that throw, it is closed. */
export function completed(fd: Fd, complete: (fd: Fd) => void): Fd {
  using made = own(fd);
  complete(fd);
  return made.release();
}

/** Closes many: numbers in a row take one call. close_range(2) */
export function closeAll(fds: Iterable<Fd>): void {
  const sorted = Int32Array.from(fds).sort();
  for (let first = 0, next = 1; first < sorted.length; first = next++) {
    while (next < sorted.length && (sorted[next] ?? 0) === (sorted[next - 1] ?? 0) + 1) next++;
    sys.close_range(sorted[first] ?? 0, sorted[next - 1] ?? 0, 0);
  }
}
