// --shell-job: a slave whose master was outside of the tree becomes the terminal that stasis has as its standard input.
import type { TtyInfoEntry } from "../../../images/format/entries.js";
import { AT_FDCWD, asFd, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { RestoreContext } from "../../kind.js";
import { flagsForOpen } from "../common.js";
import type { MadePty, SavedPty } from "./pty.js";
import { applySettings, getTermios } from "./settings.js";

const STDIN = asFd(0);

/** The terminal of the client. Throws StasisError when it may not be used, or is none. */
export function clientsTerminal({ pty }: TtyInfoEntry, { options }: RestoreContext): Fd {
  const isTerminal = unless(["ENOTTY", "EBADF", "EIO"], () => getTermios(STDIN)) !== undefined;
  if (options.shellJob && isTerminal) return STDIN;
  throw new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "restore the terminal",
    subject: { kind: "path", path: `/dev/pts/${pty?.index}` },
    reason: options.shellJob
      ? "the standard input of stasis is no terminal to take its place"
      : "its master is not in the images",
    remedy: options.shellJob
      ? "run stasis restore, or stasis swrk, on a terminal"
      : "pass --shell-job to restore on the terminal of stasis, or --orphan-pts-master over RPC to get a new master",
  });
}

/** Each description is one of its own. The terminal keeps its size: that is how large its window is. */
export function openBound({ slave, slaveFiles }: SavedPty, context: RestoreContext): MadePty {
  if (slave === undefined) throw new RangeError("a terminal of the client takes the place of a slave");
  const terminal = clientsTerminal(slave, context);
  const files = slaveFiles.map(({ id, flags }) => {
    const again = unless("EIO", () => sys.openat(AT_FDCWD, `/proc/self/fd/${terminal}`, flagsForOpen(flags), 0));
    return [id, again ?? sys.dup(terminal)] as const;
  });
  applySettings(terminal, { termios: slave.termios });
  return { terminal, files: new Map(files), bound: true };
}
