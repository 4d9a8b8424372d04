// The file behind a mapping, seen through /proc/PID/map_files: it names the mapped inode even when the path is gone.
import { O } from "../../kernel/abi/fcntl.js";
import { AT_FDCWD } from "../../kernel/brand.js";
import { kernelDevice, kernelDeviceOf } from "../../kernel/device.js";
import { own } from "../../kernel/own-fd.js";
import type { Mapping } from "../../kernel/proc/maps.js";
import { type Stat, statOf } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpedProcess, OpenFile } from "../kind.js";

/** Where the kernel shows the file of a mapping: proc_pid_map_files(5); needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. */
export function mapFilesPath(process: DumpedProcess, { start, end }: Mapping): string {
  return `/proc/${process.living}/map_files/${start.toString(16)}-${end.toString(16)}`;
}

/** What the link in map_files says. */
export const linkOf = ({ path, deleted }: Mapping): string => (deleted ? `${path} (deleted)` : path);

/** Calls `use` with the mapped file, held by an O_PATH descriptor for as long as the call lasts. */
export function withMappedFile<T>(process: DumpedProcess, mapping: Mapping, use: (file: OpenFile) => T): T {
  const { pid, comm } = process;
  const { start, end, path } = mapping;
  using duplicate = own(sys.openat(AT_FDCWD, mapFilesPath(process, mapping), O.O_PATH | O.O_CLOEXEC, 0));
  return use({
    process,
    duplicate: duplicate.fd,
    link: linkOf(mapping),
    subject: { kind: "mapping", pid, comm, start, end, path },
    stat: statOf(duplicate.fd),
  });
}

/**
 * Ids of mapped files that have been looked at, by what maps(5) says of them: a program maps each library some five times, and so do all its
 * children. Where that does not tell the inode as stat(2) does (btrfs, overlayfs), each mapping is looked at.
 */
export class MappedFiles {
  readonly #ids = new Map<string, number>();

  /** `flags`: how the mapping has opened it. `look` is called unless that is known. */
  idOf(mapping: Mapping, flags: number, look: () => { readonly id: number; readonly stat: Stat }): number {
    const { major, minor, inode } = mapping;
    const key = `${major}:${minor}:${inode}:${flags}:${linkOf(mapping)}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const { id, stat } = look();
    if (stat.ino === inode && kernelDevice(stat.dev) === kernelDeviceOf(major, minor)) this.#ids.set(key, id);
    return id;
  }
}
