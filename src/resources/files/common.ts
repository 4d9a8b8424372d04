// What all open files have alike: status flags and who is signalled. fcntl(2) F_GETFL, F_GETOWN_EX, F_GETSIG.
import { create } from "@bufbuild/protobuf";
import { type FownEntry, FownEntrySchema } from "../../images/format/entries.js";
import {
  F_GETOWN_EX,
  F_GETOWNER_UIDS,
  F_GETSIG,
  F_SETFL,
  F_SETOWN_EX,
  F_SETSIG,
  f_owner_ex,
  f_owner_uids,
  O,
} from "../../kernel/abi/fcntl.js";
import { prepared } from "../../kernel/batch.js";
import type { Fd, TargetFd } from "../../kernel/brand.js";
import { DeferredCalls } from "../../kernel/deferred-calls.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";

/** Flags that stay with an open file and that F_SETFL can set. */
const SETTABLE = O.O_APPEND | O.O_DIRECT | O.O_NOATIME | O.O_NONBLOCK;
/** ... and O_ASYNC, which open(2) notes without doing it: F_SETFL would then see no change (fs/fcntl.c, setfl()). */
const NOT_AT_OPEN = O.O_CREAT | O.O_EXCL | O.O_TRUNC | O.O_ASYNC | O.O_TMPFILE;

/** The flags with which a file is opened again, in our own process. */
export function flagsForOpen(flags: number): number {
  // O_TMPFILE contains O_DIRECTORY; the file that it made is no directory.
  const isTemporary = (flags & O.O_TMPFILE) === O.O_TMPFILE;
  const kept = isTemporary ? flags & ~NOT_AT_OPEN : flags & ~(NOT_AT_OPEN & ~O.O_DIRECTORY);
  return kept | O.O_CLOEXEC | O.O_NOCTTY;
}

export const NO_OWNER: FownEntry = create(FownEntrySchema, { uid: 0, euid: 0, signum: 0, pidType: 0, pid: 0 });

const owner = new Uint8Array(f_owner_ex.sizeBytes);
const uids = new Uint8Array(f_owner_uids.sizeBytes);

/** A file opened with O_PATH has no owner (EBADF). */
export function collectOwner(file: Fd): FownEntry {
  return (
    unless("EBADF", () => {
      const signum = sys.fcntlSet(file, F_GETSIG, 0);
      sys.fcntlInto(file, F_GETOWN_EX, owner);
      const { type, pid } = f_owner_ex.decode(owner);
      if (pid === 0 && type === 0 && signum === 0) return NO_OWNER;
      sys.fcntlInto(file, F_GETOWNER_UIDS, uids);
      const { uid, euid } = f_owner_uids.decode(uids);
      return create(FownEntrySchema, { uid, euid, signum, pidType: type, pid });
    }) ?? NO_OWNER
  );
}

/** Flags and owner on a file that has just been opened again; O_ASYNC is left to `announce`. */
export function applyCommon(file: Fd, flags: number, owner: FownEntry | undefined): void {
  if ((flags & O.O_PATH) !== 0) return;
  if (owner !== undefined) applyOwner(file, owner);
  sys.fcntlSet(file, F_SETFL, flags & SETTABLE);
}

/** As applyCommon, but for the owner, of files that were opened together. */
export function applyFlags(files: readonly (Fd | undefined)[], entries: readonly { readonly flags: number }[]): void {
  const deferred = new DeferredCalls();
  for (const [index, file] of files.entries())
    if (file !== undefined) deferred.later(prepared.fcntlSet(file, F_SETFL, (entries[index]?.flags ?? 0) & SETTABLE));
  deferred.now();
}

export function applyOwner(file: Fd, { signum, pid, pidType }: FownEntry): void {
  if (signum !== 0) sys.fcntlSet(file, F_SETSIG, signum);
  if (pid !== 0) sys.fcntlSetOwner(file, F_SETOWN_EX, { type: pidType, pid });
}

/**
 * O_ASYNC on a file that a task has. The kernel notes the number of the descriptor by which it is set, and tells it in si_fd
 * (fs/fcntl.c, fasync_insert_entry()), so the task itself has to set it.
 */
export function announce(file: TargetFd, flags: number, inside: Inside): void {
  inside.sys.fcntlSet(file, F_SETFL, flags & (SETTABLE | O.O_ASYNC));
}
