// Controlling terminals: a session gets one through its leader (TIOCSCTTY), its other members by being forked from the leader after
// that; who of them reads from it says its foreground process group (TIOCSPGRP). credentials(7), ioctl_tty(2)
import type { TtyFileEntry, TtyInfoEntry } from "../../../images/format/entries.js";
import { TIOC } from "../../../kernel/abi/tty.js";
import { AT_FDCWD, asPid, asTargetFd, type Fd, type TargetFd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { Log } from "../../../report/log.js";
import type { Inside } from "../../../tracee/inside.js";
import type { RestoreContext } from "../../kind.js";
import { flagsForOpen } from "../common.js";
import { openSlave } from "./ends.js";
import { pathEntry } from "./paths.js";
import { ask } from "./settings.js";

const CURRENT = "/dev/tty";
const O_RDWR = 2;

/** Runs `use` inside a task that has a duplicate of our descriptor for as long. */
function lending<T>(inside: Inside, ours: Fd, use: (theirs: TargetFd) => T): T {
  const engine = inside.sys.pidfd_open(asPid(process.pid), 0);
  const theirs = inside.sys.pidfd_getfd(engine, asTargetFd(ours), 0);
  try {
    return use(theirs);
  } finally {
    inside.sys.close(theirs);
    inside.sys.close(engine);
  }
}

/** A terminal of ours becomes that of the session whose leader is `leader`. False: it is that of another session, which keeps it. */
export function takeControl(leader: Inside, terminal: Fd, { isBound, log }: { isBound: boolean; log: Log }): boolean {
  // A master cannot be anybody's controlling terminal, its slave can.
  const isMaster = ask(terminal, TIOC.TIOCGPTN) !== undefined;
  using slave = isMaster ? openSlave(terminal, O_RDWR) : own(sys.dup(terminal));
  const take = () => lending(leader, slave.fd, (theirs) => leader.sys.ioctlValue(theirs, TIOC.TIOCSCTTY, 0));
  if (!isBound) return take() === 0;
  if (unless("EPERM", take) !== undefined) return true;
  log.warn(`session ${leader.tracee.pid} is left without a controlling terminal: that of stasis has another session`);
  return false;
}

/** Of a session with a controlling terminal, from inside one of its members. */
export function setForeground(member: Inside, terminal: Fd, { pgrp, log }: { pgrp: number; log: Log }): void {
  if (pgrp === 0) return;
  const done = lending(member, terminal, (theirs) => {
    using group = member.holding(new Uint8Array(Int32Array.of(pgrp).buffer));
    // ESRCH: it is a group of which nobody is left. ENOTTY: the terminal is not that of the session.
    return unless(["ESRCH", "ENOTTY", "EPERM"], () => member.sys.ioctl(theirs, TIOC.TIOCSPGRP, group.at));
  });
  if (done === undefined) log.warn(`process group ${pgrp} could not be put into the foreground of its terminal`);
}

/** Opens /dev/tty in the leader of a session, and takes it over. Before the leader gets its own root directory. */
export function openCurrentIn(leader: Inside, entry: TtyFileEntry, context: RestoreContext): Fd {
  using path = leader.text(pathEntry(entry, context)?.name ?? CURRENT);
  const theirs = leader.sys.openat(asTargetFd(AT_FDCWD), path.at, flagsForOpen(entry.flags), 0);
  using pidfd = own(sys.pidfd_open(leader.tracee.pid, 0));
  const ours = sys.pidfd_getfd(pidfd.fd, theirs, 0);
  leader.sys.close(theirs);
  return ours;
}

/** That of the session that stasis itself is in, which with --shell-job is the one of the tree. */
export function openCurrentOfOurs(entry: TtyFileEntry, { sid }: TtyInfoEntry, context: RestoreContext): Fd {
  const path = pathEntry(entry, context)?.name ?? CURRENT;
  const opened = context.options.shellJob
    ? unless("ENXIO", () => sys.openat(AT_FDCWD, path, flagsForOpen(entry.flags), 0))
    : undefined;
  if (opened !== undefined) return opened;
  throw new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "restore the terminal",
    subject: { kind: "path", path },
    reason: `session ${sid}, whose controlling terminal it was, has none`,
    remedy: "run stasis restore with --shell-job on a terminal",
  });
}
