// Files in memory: memfd_create(2), fcntl(2) F_GET_SEALS. And the same thing made by the kernel: the object behind a shared anonymous mapping,
// which is called /dev/zero or /anon_hugepage (mm/shmem.c, shmem_zero_setup(); mm/hugetlb.c), and which map_files gives descriptors for.
// Descriptions are in files.img, the inodes behind them in memfd.img, their contents in pagemap-shmem-ID.img.
import { closeSync, openSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { MemfdFileEntrySchema, type MemfdInodeEntry, MemfdInodeEntrySchema } from "../../images/format/entries.js";
import { F_GET_SEALS, SEEK_SET } from "../../kernel/abi/fcntl.js";
import { MFD } from "../../kernel/abi/mman.js";
import { asFd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpContext, FileKind, OpenFile } from "../kind.js";
import { hugePageBytes, hugeSizeFlags } from "../memory/huge-pages.js";
import { RestoredMemfds } from "./memfd-restored.js";
import { refuseFile } from "./refuse.js";

const PREFIX = "/memfd:";
const DELETED = " (deleted)";
const LINK = /^(\/memfd:.*|\/dev\/zero|\/anon_hugepage) \(deleted\)$/s;
const SECRET = /^\/secretmem \(deleted\)$/;

/** Whether a mapping's file is of this kind. */
export const isMemfdLink = (link: string): boolean => LINK.test(link) || SECRET.test(link);

export const memfd: FileKind<"memfd"> = {
  support: "full",
  type: "MEMFD",
  field: "memfd",
  summary: "files in memory, memfd_create(2), and shared anonymous memory",
  signatures: [
    { mode: "regular", link: LINK },
    { mode: "regular", link: SECRET },
  ],
  limits: [
    "memfd_secret(2): nobody but its program can read it, and it is refused",
    "a memfd that is called /dev/zero or /anon_hugepage becomes shared anonymous memory, which the images call so",
  ],

  collect(file, common, context) {
    if (SECRET.test(file.link))
      throw refuseFile(
        file.subject,
        "it is secret memory (memfd_secret), which the kernel lets nobody read",
        "have the program close and unmap it before the dump",
      );
    const inodeId = context.once(Memfds).add(file);
    return create(MemfdFileEntrySchema, { ...common, pos: file.fdinfo?.position ?? 0n, inodeId });
  },

  validate(entry, context) {
    context.once(RestoredMemfds).inode(entry);
  },

  open(entry, context) {
    const memfds = context.once(RestoredMemfds);
    const inherited = context.inherited.get(`${PREFIX}${memfds.inode(entry).name}`);
    const fd = inherited === undefined ? memfds.open(entry) : sys.dup(inherited);
    if (entry.pos !== 0n) sys.lseek(fd, entry.pos, SEEK_SET);
    return fd;
  },
};

/** The inodes of one dump. */
export class Memfds {
  readonly #ids = new Map<string, number>();
  readonly #entries: MemfdInodeEntry[] = [];
  readonly #contents = new Set<number>();

  constructor(private readonly context: DumpContext) {}

  /** The number of the file's inode in memfd.img; its contents are saved with the other shared memory. */
  add(file: OpenFile): number {
    const key = `${file.stat.dev}:${file.stat.ino}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#ids.set(key, id);
    const path = `/proc/self/fd/${file.duplicate}`;
    const huge = hugePageBytes(path);
    const { size, uid, gid, mode, ino } = file.stat;
    const shmid = this.#contentsId(ino);
    const entry = create(MemfdInodeEntrySchema, {
      name: nameOf(file.link),
      uid: Number(uid),
      gid: Number(gid),
      size,
      shmid,
      seals: sealsOf(path),
      inodeId: BigInt(id),
      mode: Number(mode),
    });
    if (huge !== undefined) entry.hugetlbFlag = MFD.MFD_HUGETLB | hugeSizeFlags(huge);
    this.#entries.push(entry);
    this.context.shared.add({ id: BigInt(shmid), path, sizeBytes: size, ...(huge && { hugePageBytes: huge }) });
    return id;
  }

  /** The inode's number, in the half that ids of SysV segments (shmget(2)) never reach; dumps that build on each other have the same one. */
  #contentsId(inode: bigint): number {
    let id = Number((inode & 0x7fffffffn) | 0x80000000n);
    while (this.#contents.has(id)) id = ((id + 1) | 0x80000000) >>> 0;
    this.#contents.add(id);
    return id;
  }

  /** memfd.img. */
  write(): void {
    this.context.images.writeLater("memfd", undefined, this.#entries);
  }
}

function nameOf(link: string): string {
  const name = link.slice(0, -DELETED.length);
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

/** Asked through a description of our own: an O_PATH one cannot be asked. */
function sealsOf(path: string): number {
  const fd = openSync(path, "r");
  try {
    return sys.fcntlSet(asFd(fd), F_GET_SEALS, 0);
  } finally {
    closeSync(fd);
  }
}
