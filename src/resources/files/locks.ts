// File locks and leases: flock(2), fcntl(2) F_SETLK, F_OFD_SETLK, F_SETLEASE; filelocks.img. proc_pid_fdinfo(5) shows those of an open
// file, OFD locks included, which proc_locks(5) gives no owner. Each is taken again by the task and descriptor that the image names.
import { create } from "@bufbuild/protobuf";
import type { ImageDirectory } from "../../images/directory.js";
import { type FdinfoEntry, type FileLockEntry, FileLockEntrySchema } from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import {
  F_GETFL,
  F_OFD_SETLK,
  F_RDLCK,
  F_SETLEASE,
  F_SETLK,
  F_SETOWN_EX,
  F_UNLCK,
  F_WRLCK,
  flock,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  O,
  O_ACCMODE,
  O_RDONLY,
  SEEK_SET,
} from "../../kernel/abi/fcntl.js";
import { AT_FDCWD, asTargetFd, type Fd, type Pid } from "../../kernel/brand.js";
import { SyscallError, unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError, type Subject } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import type { DumpContext, OpenFile, RestoreContext, RestoredThread } from "../kind.js";
import { collectOwner } from "./common.js";
import { refuseFile } from "./refuse.js";

/** FileLockEntry.flag: the kernel's own names (include/linux/filelock.h), CRIU's numbers. */
const FL = { POSIX: 1, FLOCK: 2, OFDLCK: 4, LEASE: 8 } as const;
/** FileLockEntry.type of a lease that somebody waits for; beside it stands what it is to become. */
const LEASE_BREAKING = 4;
const types: Readonly<Record<string, number>> = { READ: F_RDLCK, WRITE: F_WRLCK, UNLCK: F_UNLCK };
/** The whole rest of a file. */
const TO_THE_END = 0n;

/** "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF": fs/locks.c, lock_get_status(). */
const LOCK = /^\d+: (\S+)\s+(\S+)\s+(READ|WRITE|UNLCK) -?\d+ \S+ (\d+) (\d+|EOF)$/;

type Lock = Pick<FileLockEntry, "flag" | "type" | "start" | "len">;

/** The locks of one dump. */
export class FileLocks {
  readonly #found = new Map<string, FileLockEntry[]>();
  /** Locks of files that are on their way in a socket: some task has to have them open, too. */
  readonly #inFlight = new Map<string, OpenFile>();

  constructor(private readonly context: DumpContext) {}

  /** Sockets: who has locks on files of very many descriptors is known a little later, and hardly anyone locks a socket. */
  readonly #later: (() => void)[] = [];

  /** `filesId`: of the table that has it; absent: the file is on its way in a socket. */
  note(file: OpenFile, fileId: number, filesId?: number): void {
    if (file.socket === undefined) this.#note(file, fileId, filesId);
    else this.#later.push(() => this.#note(file, fileId, filesId));
  }

  #note(file: OpenFile, fileId: number, filesId?: number): void {
    for (const line of file.fdinfo?.fields.get("lock") ?? []) {
      const lock = this.#parse(file, line);
      // A POSIX lock is of a descriptor table, all others are of the open file: whoever inherited it may take it again.
      const key = `${fileId}/${lock.flag === FL.POSIX ? filesId : ""}`;
      if (file.targetFd === undefined) this.#inFlight.set(key, file);
      else this.#add(key, create(FileLockEntrySchema, { ...lock, pid: file.process.pid, fd: file.targetFd }));
    }
  }

  #add(key: string, entry: FileLockEntry): void {
    const those = this.#found.get(key) ?? [];
    this.#found.set(key, those);
    const [first = entry] = those;
    if (first.fd === entry.fd && first.pid === entry.pid) those.push(entry);
  }

  #parse(file: OpenFile, line: string): Lock {
    const [, kind = "", mode, type = "", start = "0", end = ""] = LOCK.exec(line) ?? [];
    if (!this.context.options.fileLocks) {
      const name = kind === "LEASE" ? "lease" : `${kind || "file"} lock`;
      throw refuseFile(file.subject, `a ${name} is held on it`, "pass --file-locks, or have the program release it");
    }
    const flag = (FL as Readonly<Record<string, number>>)[kind];
    if (flag === undefined || types[type] === undefined)
      throw refuseFile(file.subject, `a lock is held on it that is not known: ${line}`, "have the program release it");
    const breaking = mode === "BREAKING" ? LEASE_BREAKING : 0;
    const len = end === "EOF" ? TO_THE_END : BigInt(end) - BigInt(start) + 1n;
    return { flag, type: types[type] | breaking, start: BigInt(start), len };
  }

  /** filelocks.img, when all have been noted. Refuses what `note` refuses. */
  write(): void {
    for (const note of this.#later.splice(0)) this.context.attempt(note);
    for (const [key, { subject }] of this.#inFlight) {
      if (this.#found.has(key)) continue;
      throw refuseFile(subject, "a lock is held on a file on its way in a socket", "have the program receive it");
    }
    const entries = [...this.#found.values()].flat();
    if (entries.length > 0) this.context.images.writeLater("filelocks", undefined, entries);
  }
}

/** filelocks.img, by the task that holds them. */
export class SavedLocks {
  readonly #ofTask = new Map<number, FileLockEntry[]>();

  constructor(images: ImageDirectory) {
    for (const [record, entry] of images.read("filelocks", undefined).entries()) {
      const type = entry.flag === FL.LEASE ? entry.type & ~LEASE_BREAKING : entry.type;
      const isKnown = Object.values<number>(FL).includes(entry.flag) && Object.values(types).includes(type);
      if (!isKnown) throw invalid({ ...PLACE, record }, `there is no lock ${entry.flag} of type ${entry.type}`);
      const those = this.#ofTask.get(entry.pid) ?? [];
      this.#ofTask.set(entry.pid, those);
      those.push(entry);
    }
  }

  /** Those of one task. Throws StasisError when it has not the descriptor of one. */
  take(pid: Pid, descriptors: readonly FdinfoEntry[]): readonly FileLockEntry[] {
    const those = this.#ofTask.get(pid) ?? [];
    this.#ofTask.delete(pid);
    const lost = those.find((lock) => !descriptors.some(({ fd }) => fd === lock.fd));
    if (lost !== undefined) throw invalid(PLACE, `pid ${pid} has a lock by descriptor ${lost.fd}, which it has not`);
    return those;
  }

  checkAllTaken(): void {
    for (const pid of this.#ofTask.keys()) throw invalid(PLACE, `there is no process ${pid}, which has a lock`);
  }
}
const PLACE = { file: "filelocks.img" } as const;

/** Takes a lock again, inside the task that held it. */
export function applyLock(
  lock: FileLockEntry,
  descriptors: readonly FdinfoEntry[],
  { inside, process: { pid, comm } }: RestoredThread,
  { files }: RestoreContext,
): void {
  try {
    if (lock.flag === FL.FLOCK) inside.sys.flock(asTargetFd(lock.fd), LOCK_NB | flockOperation(lock));
    else if (lock.flag !== FL.LEASE) setRange(lock, inside);
    else lease(lock, files.fd(descriptors.find(({ fd }) => fd === lock.fd)?.id ?? 0), inside);
  } catch (cause) {
    throw cause instanceof SyscallError ? notTaken(lock, { kind: "process", pid, comm }, cause) : cause;
  }
}

function notTaken({ fd }: FileLockEntry, subject: Subject, cause: SyscallError): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: "take the file lock again of",
    subject,
    reason: `${cause.call} of its descriptor ${fd} fails with ${cause.errno}`,
    remedy: "see who else has the file locked or open, in /proc/locks",
    cause,
  });
}

const flockOperation = ({ type }: FileLockEntry) => (type === F_RDLCK ? LOCK_SH : LOCK_EX);

function setRange({ flag, fd, type, start, len }: FileLockEntry, inside: Inside): void {
  const range = { l_type: type, l_whence: SEEK_SET, l_start: start, l_len: len, l_pid: 0 };
  using room = inside.holding(flock.encode(range));
  inside.sys.fcntlInto(asTargetFd(fd), flag === FL.OFDLCK ? F_OFD_SETLK : F_SETLK, room.at);
}

/** Only a descriptor of the task itself will do: the kernel tells its number when the lease is broken (si_fd). */
function lease({ fd, type }: FileLockEntry, ours: Fd, inside: Inside): void {
  const target = type & ~LEASE_BREAKING;
  const isBreaking = target !== type;
  inside.sys.fcntlSet(asTargetFd(fd), F_SETLEASE, isBreaking ? leaseBefore(target, ours) : type);
  if (isBreaking) breakLease(target, ours);
}

/** What a lease was that is to become `target`: one that is to become a read lease was a write lease. */
function leaseBefore(target: number, ours: Fd): number {
  const isReadOnly = (sys.fcntlSet(ours, F_GETFL, 0) & O_ACCMODE) === O_RDONLY;
  return target === F_UNLCK && isReadOnly ? F_RDLCK : F_WRLCK;
}

/**
 * Opens the file as the one did who waits for it; the kernel gives the holder lease-break-time from now on. The holder knows
 * already: for that moment nobody is the owner to whom the kernel would send a signal.
 */
function breakLease(target: number, ours: Fd): void {
  const { pidType: type, pid } = collectOwner(ours);
  sys.fcntlSetOwner(ours, F_SETOWN_EX, { type, pid: 0 });
  const flags = (target === F_RDLCK ? O_RDONLY : O.O_WRONLY) | O.O_NONBLOCK | O.O_CLOEXEC;
  const opened = unless("EAGAIN", () => sys.openat(AT_FDCWD, `/proc/self/fd/${ours}`, flags, 0));
  sys.fcntlSetOwner(ours, F_SETOWN_EX, { type, pid });
  if (opened === undefined) return;
  sys.close(opened);
  throw new RangeError("an open that a lease stands against was let through");
}
