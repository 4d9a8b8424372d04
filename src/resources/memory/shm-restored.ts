// System V segments of one restore. A segment that is there already is used when it is that very one and nobody has it attached, as after a
// dump that killed the tree: it stays behind as segments do. Any other is made, with its id: /proc/sys/kernel/shm_next_id.
import { writeFileSync } from "node:fs";
import { type IpcDescEntry, type IpcShmEntry, IpcShmEntrySchema, type MmEntry } from "../../images/format/entries.js";
import { HUGE_MASK, MADV } from "../../kernel/abi/mman.js";
import {
  IPC_PRIVATE,
  IPC_RMID,
  IPC_SET,
  ipc64_perm,
  SHM_LOCK,
  SHM_MODE,
  SHMGET,
  shmid64_ds,
} from "../../kernel/abi/shm.js";
import { NULL } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { RestoreContext } from "../kind.js";
import { pageBytesOf, wholePages } from "./huge-pages.js";
import { fillMapped } from "./shared-contents.js";
import { statSegment } from "./shm.js";
import { isShmVma } from "./shm-attach.js";

const NEXT_ID = "/proc/sys/kernel/shm_next_id";
const PERMISSIONS = 0o777;
const AS_IT_IS = -1;

interface Planned {
  readonly desc: IpcDescEntry;
  readonly entry: IpcShmEntry;
  isMade: boolean;
}

export class RestoredSegments {
  readonly #planned = new Map<number, Planned>();
  #isKept = false;

  constructor(private readonly context: RestoreContext) {}

  /** Reads the image and looks at what is there. Throws StasisError when a segment cannot come back. */
  load(namespaceId: number): void {
    using reader = this.context.images.reader("ipcns-shm", namespaceId);
    while (reader !== undefined && reader.remaining > 0) {
      const entry = reader.expect(IpcShmEntrySchema);
      if (entry.desc === undefined || entry.inPagemaps !== true)
        throw broken(`ipcns-shm-${namespaceId}.img`, "its segments have no contents in pages");
      this.#planned.set(entry.desc.id, { desc: entry.desc, entry, isMade: false });
    }
    for (const { desc, entry } of this.#planned.values()) checkPlace(desc, entry);
  }

  /** Before anything is made: each segment that is attached must be in the image, and be as large as its parts reach. */
  check({ vmas }: MmEntry): void {
    for (const { shmid, pgoff, start, end } of vmas.filter(isShmVma)) {
      const length = this.#planned.has(Number(shmid)) ? this.lengthOf(Number(shmid)) : 0n;
      if (pgoff + (end - start) > length)
        throw broken("mm.img", `it has attached segment ${shmid}, which is missing or too small`);
    }
  }

  /** In whole pages. */
  lengthOf(id: number): bigint {
    const { size = 0n, hugetlbFlag = 0 } = this.#planned.get(id)?.entry ?? {};
    return wholePages({ sizeBytes: size, pageBytes: pageBytesOf(hugetlbFlag, SHMGET.SHM_HUGETLB) });
  }

  /** The segment is there, with its contents. */
  provide(id: number): void {
    const planned = this.#planned.get(id);
    if (planned === undefined || planned.isMade) return;
    planned.isMade = true;
    if (statSegment(id) === undefined) {
      makeSegment(planned);
      this.context.scope.defer(() => this.#removeUnlessKept(id));
    }
    this.#fill(id);
  }

  #fill(id: number): void {
    const at = sys.shmat(id, NULL, 0);
    const lengthBytes = this.lengthOf(id);
    try {
      sys.madvise(at, lengthBytes, MADV.MADV_REMOVE);
      fillMapped(this.context.images, BigInt(id), { at, lengthBytes });
    } finally {
      sys.shmdt(at);
    }
  }

  /** The restore has come so far that they stay; those that are to go with their last attachment are marked so. */
  keep(): void {
    this.#isKept = true;
    for (const { desc, isMade } of this.#planned.values()) {
      if (isMade && (desc.mode & SHM_MODE.SHM_LOCKED) !== 0) sys.shmctl(desc.id, SHM_LOCK, null);
      if (isMade && (desc.mode & SHM_MODE.SHM_DEST) !== 0) sys.shmctl(desc.id, IPC_RMID, null);
    }
  }

  #removeUnlessKept(id: number): void {
    if (!this.#isKept) sys.shmctl(id, IPC_RMID, null);
  }
}

/** Whether a segment has the id or the key, and is not the one that we may use. */
function checkPlace(desc: IpcDescEntry, { size }: IpcShmEntry): void {
  const there = statSegment(desc.id);
  if (there === undefined) {
    const other = desc.key === IPC_PRIVATE ? undefined : unless("ENOENT", () => sys.shmget(desc.key, 0n, 0));
    if (other !== undefined) throw taken(desc, `its key 0x${desc.key.toString(16)} is that of segment ${other} now`);
    return;
  }
  const { key, uid, gid, mode } = there.perm;
  const is = [key, uid, gid, mode & PERMISSIONS, there.sizeBytes];
  const was = [desc.key, desc.uid, desc.gid, desc.mode & PERMISSIONS, size];
  if (is.some((value, index) => value !== was[index])) throw taken(desc, "another segment has its id now");
  if (there.attachments > 0n) throw taken(desc, `it is there and attached ${there.attachments} times`);
}

function makeSegment({ desc, entry }: Planned): void {
  const huge = entry.hugetlbFlag ?? 0;
  const flags = SHMGET.IPC_CREAT | SHMGET.IPC_EXCL | (huge & (SHMGET.SHM_HUGETLB | HUGE_MASK));
  writeFileSync(NEXT_ID, String(desc.id));
  const id = asCreator(desc, () => sys.shmget(desc.key, entry.size, flags | (desc.mode & PERMISSIONS)));
  if (id !== desc.id) {
    sys.shmctl(id, IPC_RMID, null);
    throw taken(desc, "another segment has its place in the kernel's table");
  }
  const { uid, gid, mode } = desc;
  const perm = ipc64_perm.encode({ ...ZERO_PERM, uid, gid, mode: mode & PERMISSIONS });
  sys.shmctl(
    id,
    IPC_SET,
    shmid64_ds.encode({ ...shmid64_ds.decode(new Uint8Array(shmid64_ds.sizeBytes)), shm_perm: perm }),
  );
}
const ZERO_PERM = ipc64_perm.decode(new Uint8Array(ipc64_perm.sizeBytes));

/** Who made a segment cannot be changed afterwards: shmctl(2) IPC_SET. */
function asCreator<T>({ cuid, cgid }: IpcDescEntry, make: () => T): T {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  sys.setresgid(AS_IT_IS, cgid, AS_IT_IS);
  try {
    sys.setresuid(AS_IT_IS, cuid, AS_IT_IS);
    return make();
  } finally {
    sys.setresuid(AS_IT_IS, uid, AS_IT_IS);
    sys.setresgid(AS_IT_IS, gid, AS_IT_IS);
  }
}

function taken({ id }: IpcDescEntry, reason: string): StasisError {
  return new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "restore on",
    subject: { kind: "host", what: "this machine" },
    reason: `System V shared memory segment ${id} cannot come back: ${reason}`,
    remedy: "remove that segment (ipcs -m, ipcrm -m), or restore where it is not",
  });
}

function broken(file: string, reason: string): StasisError {
  return new StasisError({ code: "IMAGE_INVALID", doing: "read the image", subject: { kind: "image", file }, reason });
}
