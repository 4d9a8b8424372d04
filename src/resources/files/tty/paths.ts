// The paths of terminals. They are entries of regular files in files.img, whose files may not be there before the terminals are.
import { fchmodSync, fchownSync, fstatSync, statSync } from "node:fs";
import type { RegFileEntry, TtyFileEntry, TtyInfoEntry } from "../../../images/format/entries.js";
import { AT_FDCWD, type Fd } from "../../../kernel/brand.js";
import { SyscallError } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { RestoreContext } from "../../kind.js";
import { flagsForOpen } from "../common.js";

/** Ids of the file entries that only say where a terminal is. */
export class TerminalPaths {
  readonly #ids: ReadonlySet<number>;

  constructor({ files }: RestoreContext) {
    this.#ids = new Set([...files.all()].flatMap(({ tty }) => (tty?.regfId === undefined ? [] : [tty.regfId])));
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}

export function pathEntry({ id, regfId }: TtyFileEntry, { files }: RestoreContext): RegFileEntry | undefined {
  // Before CRIU 2.0 the entry of the path had the id of the terminal's.
  return files.entry(regfId ?? id).reg;
}

/** Whether this device is at its path already. */
export function leadsTo(path: string, device: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.rdev === device;
}

/** Opens a terminal at its path. @throws StasisError when another thing is there */
export function openAt(entry: TtyFileEntry, { rdev }: TtyInfoEntry, context: RestoreContext): Fd {
  const path = pathEntry(entry, context)?.name ?? "";
  if (!leadsTo(path, rdev)) throw notThere(path, `device ${rdev >> 8}:${rdev & 0xff} is not there any more`);
  return openTerminal(path, flagsForOpen(entry.flags));
}

export function openTerminal(path: string, flags: number): Fd {
  try {
    return sys.openat(AT_FDCWD, path, flags, 0);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw notThere(path, `it cannot be opened (${cause.errno})`);
  }
}

function notThere(path: string, reason: string): StasisError {
  return new StasisError({
    code: "MAPPED_FILE_CHANGED",
    doing: "restore the terminal",
    subject: { kind: "path", path },
    reason,
    remedy: "put the device back where it was",
  });
}

/** Owner and permissions of the node behind a slave. */
export function applyOwner(slave: Fd, { uid, gid }: TtyInfoEntry, path: RegFileEntry | undefined): void {
  const now = fstatSync(slave);
  if (now.uid !== uid || now.gid !== gid) fchownSync(slave, uid, gid);
  const mode = (path?.mode ?? 0) & 0o7777;
  if (mode !== 0 && (now.mode & 0o7777) !== mode) fchmodSync(slave, mode);
}
