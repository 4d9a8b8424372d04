// The two ends of a pty: a slave from its master, and the lock that keeps it from being opened. pty(7), ioctl_tty(2)
import { O } from "../../../kernel/abi/fcntl.js";
import { POLL, pollfd } from "../../../kernel/abi/socket.js";
import { TIOC } from "../../../kernel/abi/tty.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { sys } from "../../../kernel/syscalls.js";
import { ask, tell } from "./settings.js";

/** A slave of the master, whatever its path; one that is locked cannot be opened, drivers/tty/pty.c, pty_open(). */
export function openSlave(master: Fd, flags: number): OwnFd {
  const locked = ask(master, TIOC.TIOCGPTLCK) === 1;
  if (locked) lock(master, false);
  try {
    return own(asFd(sys.ioctlValue(master, TIOC.TIOCGPTPEER, flags | O.O_NOCTTY | O.O_CLOEXEC)));
  } finally {
    if (locked) lock(master, true);
  }
}

export const lock = (master: Fd, locked: boolean): void => tell(master, TIOC.TIOCSPTLCK, locked ? 1 : 0);

/** Somebody had the slave open, and nobody has any more: reading gives EIO, which with a slave never opened it does not. */
export function isClosedAtOtherEnd(master: Fd): boolean {
  const asked = pollfd.encode({ fd: master, events: 0, revents: 0 });
  sys.poll(asked, 1, 0);
  return (pollfd.decode(asked).revents & POLL.POLLHUP) !== 0;
}
