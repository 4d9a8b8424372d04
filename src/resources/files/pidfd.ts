// Processes by descriptor: pidfd_open(2). fdinfo: fs/pidfs.c, pidfd_show_fdinfo(). One of a process that is gone stays open on what
// is left of it: on a restore, a process is made for that, and ends as the old one did.
import { create, isFieldSet } from "@bufbuild/protobuf";
import { FdType, type PidfdEntry, PidfdEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { PIDFD_GET_INFO, PIDFD_INFO_EXIT, PIDFD_THREAD, pidfd_info } from "../../kernel/abi/process.js";
import { SIG } from "../../kernel/abi/signal.js";
import { asAddress, asPid, type Fd } from "../../kernel/brand.js";
import { SyscallError, unless } from "../../kernel/errno.js";
import { readStat } from "../../kernel/proc/stat.js";
import { readStatus } from "../../kernel/proc/status.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import { startSeed } from "../../tracee/seed.js";
import type { FileKind, OpenFile, RestoreContext } from "../kind.js";
import { becomeZombie } from "../tree/zombies.js";
import { refuseFile } from "./refuse.js";

const GONE = -1;

export const pidfd: FileKind<"pidfd"> = {
  support: "full",
  type: "PIDFD",
  field: "pidfd",
  summary: "process descriptors, pidfd_open(2)",
  signatures: [{ anonInode: "[pidfd]" }],
  limits: ["one of a process outside of the tree is refused"],

  collect(file, common, { options }) {
    const nspid = Number(file.fdinfo?.fields.get("Pid")?.[0] ?? GONE);
    if (nspid !== GONE && !isBelow(nspid, options.pid))
      throw refuseFile(file.subject, `it is of process ${nspid}, which is outside of the tree`, "have it closed first");
    const exitCode = nspid === GONE ? exitCodeOf(file) : undefined;
    return create(PidfdEntrySchema, {
      id: common.id,
      ino: Number(BigInt.asUintN(32, file.stat.ino)),
      // Always open for both, which pidfd_open(2) does not want to hear.
      flags: common.flags & ~O.O_RDWR,
      nspid,
      fown: common.fown,
      ...(exitCode === undefined ? {} : { exitCode }),
    });
  },

  isLate: ({ flags }) => (flags & PIDFD_THREAD) !== 0,

  open(entry, context) {
    if (entry.nspid === GONE) return context.once(DeadProcesses).open(entry);
    try {
      return openPidfd(entry.nspid, entry);
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      throw new StasisError({
        code: "IMAGE_INVALID",
        doing: "open the pidfd of",
        subject: { kind: "process", pid: asPid(entry.nspid) },
        reason: `there is no such process in the tree (${cause.errno})`,
        cause,
      });
    }
  },
};

const openPidfd = (pid: number, { flags }: PidfdEntry): Fd =>
  sys.pidfd_open(asPid(pid), flags & (O.O_NONBLOCK | PIDFD_THREAD));

/** Whether the process, or that of the thread, is the root or under it. */
function isBelow(pid: number, root: number): boolean {
  const process = readStatus(asPid(pid))?.tgid ?? 0;
  if (process === root) return true;
  const parent = readStat(asPid(process))?.ppid ?? 0;
  return parent !== 0 && isBelow(parent, root);
}

/** As wait(2) told it; undefined: a kernel that does not say. */
function exitCodeOf({ duplicate }: OpenFile): number | undefined {
  const info = pidfd_info.encode({ mask: PIDFD_INFO_EXIT, pid: 0, exit_code: 0 });
  return unless(["ENOTTY", "EINVAL", "ESRCH"], () => {
    sys.ioctl(duplicate, PIDFD_GET_INFO, info);
    const { mask, exit_code } = pidfd_info.decode(info);
    return (mask & PIDFD_INFO_EXIT) === 0n ? undefined : exit_code;
  });
}

/** Far from where the kernel loads anything by itself. */
const REGION = asAddress(0x10000000n);

/** Of one restore: the processes that ended before the dump. */
class DeadProcesses {
  readonly #ready = new Map<number, Fd>();

  constructor(private readonly context: RestoreContext) {}

  open(entry: PidfdEntry): Fd {
    if (!this.#ready.has(entry.id)) this.#openAll(entry);
    const fd = this.#ready.get(entry.id);
    if (fd === undefined) throw new RangeError(`pidfd ${entry.id} is opened twice`);
    this.#ready.delete(entry.id);
    return fd;
  }

  /** All descriptors of one process at once: when it has ended, nobody can open another. */
  #openAll({ ino }: PidfdEntry): void {
    const { inside } = startSeed(REGION);
    const { pid, comm } = inside.tracee;
    let exitCode: number = SIG.SIGKILL;
    for (const { type, pidfd: other } of this.context.files.all()) {
      if (type !== FdType.PIDFD || other?.nspid !== GONE || other.ino !== ino) continue;
      const fd = openPidfd(pid, other);
      this.#ready.set(other.id, fd);
      this.context.scope.defer(() => this.#ready.get(other.id) === fd && sys.close(fd));
      if (isFieldSet(other, PidfdEntrySchema.field.exitCode)) exitCode = other.exitCode;
    }
    becomeZombie(inside, { comm, exitCode });
  }
}
