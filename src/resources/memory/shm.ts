// System V shared memory, shmget(2), shmat(2): segments that tasks of the tree have attached, in the IPC namespace of the host.
// The image is ipcns-shm-N.img as CRIU has it for an IPC namespace of the tree's own, but with attached segments only; CRIU restores it no
// further than such a namespace. Contents are in pagemap-shmem-ID.img.
import { fstatSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { IpcDescEntrySchema, type IpcShmEntry, IpcShmEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { IPC_STAT, ipc64_perm, SHMGET, shmid64_ds } from "../../kernel/abi/shm.js";
import { AT_FDCWD } from "../../kernel/brand.js";
import { SyscallError } from "../../kernel/errno.js";
import { own } from "../../kernel/own-fd.js";
import type { Mapping } from "../../kernel/proc/maps.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { DumpContext, DumpedProcess } from "../kind.js";
import { hugePageBytes, hugeSizeFlags } from "./huge-pages.js";
import { mapFilesPath } from "./mapped-file.js";

const LINK = /^\/SYSV[0-9a-f]{8}$/;
/** ipc/shm.c, newseg(): a file without a name, called after the key; its inode has the number of the segment. */
export const isShm = ({ path, deleted, shared }: Mapping): boolean => shared && deleted && LINK.test(path);

/** A segment as the kernel describes it; undefined: there is none with this id. */
export function statSegment(id: number) {
  const ds = new Uint8Array(shmid64_ds.sizeBytes);
  try {
    sys.shmctl(id, IPC_STAT, ds);
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === "EINVAL" || error.errno === "EIDRM")) return undefined;
    throw error;
  }
  const { shm_perm, shm_segsz, shm_nattch } = shmid64_ds.decode(ds);
  return { ds, perm: ipc64_perm.decode(shm_perm), sizeBytes: shm_segsz, attachments: shm_nattch };
}

interface Seen {
  readonly entry: IpcShmEntry;
  readonly process: DumpedProcess;
  readonly mapping: Mapping;
  /** Mappings of it in the tree: what the kernel counts in shm_nattch. */
  attachments: bigint;
}

/** The segments of one dump. */
export class Segments {
  readonly #seen = new Map<number, Seen>();

  constructor(private readonly context: DumpContext) {}

  /** Result: the segment's id. */
  add(process: DumpedProcess, mapping: Mapping): bigint {
    const id = Number(mapping.inode);
    const known = this.#seen.get(id);
    if (known !== undefined) known.attachments += 1n;
    else this.#seen.set(id, { entry: this.#collect(process, mapping), process, mapping, attachments: 1n });
    return mapping.inode;
  }

  #collect(process: DumpedProcess, mapping: Mapping): IpcShmEntry {
    const id = Number(mapping.inode);
    const segment = statSegment(id);
    const path = mapFilesPath(process, mapping);
    if (segment === undefined || !isSegmentOf(segment.sizeBytes, path))
      throw refused(
        process,
        mapping,
        `the segment ${id} is not in the IPC namespace of stasis`,
        "run stasis in that namespace",
      );
    const { key, uid, gid, cuid, cgid, mode } = segment.perm;
    const entry = create(IpcShmEntrySchema, {
      desc: create(IpcDescEntrySchema, { key, uid, gid, cuid, cgid, mode, id }),
      size: segment.sizeBytes,
      inPagemaps: true,
    });
    const huge = hugePageBytes(path);
    if (huge !== undefined) entry.hugetlbFlag = SHMGET.SHM_HUGETLB | hugeSizeFlags(huge);
    this.context.shared.add({
      id: mapping.inode,
      path,
      sizeBytes: segment.sizeBytes,
      ...(huge && { hugePageBytes: huge }),
    });
    return entry;
  }

  /** ipcns-shm-`namespaceId`.img. Refuses when somebody outside of the tree would go on writing to a segment. */
  write(namespaceId: number): void {
    for (const seen of this.#seen.values()) checkAttachments(seen);
    this.context.images.writeLater(
      "ipcns-shm",
      namespaceId,
      [...this.#seen.values()].map(({ entry }) => entry),
    );
  }
}

function isSegmentOf(sizeBytes: bigint, path: string): boolean {
  using file = own(sys.openat(AT_FDCWD, path, O.O_PATH | O.O_CLOEXEC, 0));
  const found = fstatSync(file.fd, { bigint: true }).size;
  return found === sizeBytes || hugePageBytes(path) !== undefined;
}

function checkAttachments({ entry, process, mapping, attachments }: Seen): void {
  const id = entry.desc?.id ?? 0;
  const all = statSegment(id)?.attachments ?? 0n;
  if (all <= attachments) return;
  const reason = `the segment ${id} is attached ${all} times, and ${attachments} of these are in the tree: somebody outside uses it too`;
  throw refused(
    process,
    mapping,
    reason,
    "dump all its users together, or have the others detach it (ipcs -m shows it)",
  );
}

function refused({ pid, comm }: DumpedProcess, mapping: Mapping, reason: string, remedy: string): StasisError {
  const { start, end, path } = mapping;
  return new StasisError({
    code: "MAPPING_UNSUPPORTED",
    doing: "dump the mapping",
    subject: { kind: "mapping", pid, comm, start, end, path },
    reason,
    remedy,
  });
}
