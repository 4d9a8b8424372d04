// Files in memory of one restore: each inode is made once, filled, and sealed when everything that may need it unsealed is done.
import { fchmodSync, fchownSync } from "node:fs";
import type { MemfdFileEntry, MemfdInodeEntry } from "../../images/format/entries.js";
import { F_ADD_SEALS, O, O_ACCMODE, O_RDONLY, SEALS } from "../../kernel/abi/fcntl.js";
import { HUGE_MASK, MFD } from "../../kernel/abi/mman.js";
import { AT_FDCWD, type Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { RestoreContext } from "../kind.js";
import { pageBytesOf } from "../memory/huge-pages.js";
import { fillObject, makeAnonymousObject } from "../memory/shared-contents.js";
import { flagsForOpen } from "./common.js";

const MODE_BITS = 0o7777;
const EXECUTE_BITS = 0o111;
/** The kernel's own names for shared anonymous memory, of ordinary and of huge pages. */
const ANONYMOUS = ["/dev/zero", "/anon_hugepage"];

interface Made {
  readonly entry: MemfdInodeEntry;
  /** As memfd_create(2) gave it, open for reading and writing. */
  readonly original: Fd;
  isGiven: boolean;
}

export class RestoredMemfds {
  readonly #entries = new Map<number, MemfdInodeEntry>();
  readonly #made = new Map<number, Made>();

  constructor(private readonly context: RestoreContext) {
    for (const entry of context.images.read("memfd", undefined)) this.#entries.set(Number(entry.inodeId), entry);
  }

  /** Throws StasisError when the image does not have it. */
  inode({ id, inodeId }: MemfdFileEntry): MemfdInodeEntry {
    const entry = this.#entries.get(inodeId);
    if (entry !== undefined) return entry;
    throw new StasisError({
      code: "IMAGE_INVALID",
      doing: "read the image",
      subject: { kind: "image", file: "memfd.img" },
      reason: `it lacks the inode ${inodeId} of file ${id}`,
    });
  }

  /**
   * The first to read and write gets the original: opening the file again counts as having it open for writing, and execve(2) on it would fail
   * with ETXTBSY (fs/namei.c, get_write_access(); memfd_create(2) does not count).
   */
  open(entry: MemfdFileEntry): Fd {
    const made = this.#make(entry);
    if ((entry.flags & O_ACCMODE) !== O.O_RDWR || made.isGiven) return openAgain(made, flagsForOpen(entry.flags));
    made.isGiven = true;
    return sys.dup(made.original);
  }

  /** For a mapping: which description it holds nobody can tell, but for the count of writers. */
  openForMapping(entry: MemfdFileEntry, flags: number): Fd {
    const made = this.#make(entry);
    if ((flags & O_ACCMODE) === O.O_RDWR) return made.original;
    const fd = openAgain(made, O_RDONLY | O.O_CLOEXEC);
    this.context.scope.defer(() => sys.close(fd));
    return fd;
  }

  /** When all is mapped and filled: F_SEAL_FUTURE_WRITE and F_SEAL_WRITE forbid just that. */
  seal(): void {
    for (const { entry, original } of this.#made.values())
      if (entry.seals !== SEALS.F_SEAL_SEAL && entry.seals !== 0) sys.fcntlSet(original, F_ADD_SEALS, entry.seals);
  }

  #make(of: MemfdFileEntry): Made {
    const known = this.#made.get(of.inodeId);
    if (known !== undefined) return known;
    const entry = this.inode(of);
    const shape = { sizeBytes: entry.size, pageBytes: pageBytesOf(entry.hugetlbFlag ?? 0, MFD.MFD_HUGETLB) };
    const isAnonymous = ANONYMOUS.includes(entry.name) && entry.size !== 0n;
    const original = isAnonymous ? makeAnonymousObject(shape) : makeMemfd(entry);
    this.context.scope.defer(() => sys.close(original));
    fillObject(this.context.images, BigInt(entry.shmid), original, shape);
    fchownSync(original, entry.uid, entry.gid);
    if (entry.mode !== undefined) fchmodSync(original, entry.mode & MODE_BITS);
    const made = { entry, original, isGiven: false };
    this.#made.set(of.inodeId, made);
    return made;
  }
}

function makeMemfd({ name, seals, mode = EXECUTE_BITS, hugetlbFlag = 0, size }: MemfdInodeEntry): Fd {
  // A file that was made without MFD_ALLOW_SEALING has this one seal.
  const sealing = seals === SEALS.F_SEAL_SEAL ? 0 : MFD.MFD_ALLOW_SEALING;
  // Where the sysctl vm.memfd_noexec asks for it, nothing but MFD_NOEXEC_SEAL is allowed.
  const neverExecuted = (seals & SEALS.F_SEAL_EXEC) !== 0 && (mode & EXECUTE_BITS) === 0;
  const huge = hugetlbFlag & (MFD.MFD_HUGETLB | HUGE_MASK);
  const fd = sys.memfd_create(
    name,
    MFD.MFD_CLOEXEC | sealing | huge | (neverExecuted ? MFD.MFD_NOEXEC_SEAL : MFD.MFD_EXEC),
  );
  sys.ftruncate(fd, size);
  return fd;
}

const openAgain = ({ original }: Made, flags: number) => sys.openat(AT_FDCWD, `/proc/self/fd/${original}`, flags, 0);
