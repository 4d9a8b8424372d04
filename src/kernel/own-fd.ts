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
