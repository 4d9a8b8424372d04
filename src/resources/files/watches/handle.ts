// Inodes by their handle: open_by_handle_at(2). fdinfo shows the handle of whatever inotify and fanotify watch.
import { fstatSync, readlinkSync, statSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { type FhEntry, FhEntrySchema } from "../../../images/format/entries.js";
import { O, O_RDONLY } from "../../../kernel/abi/fcntl.js";
import { FILE_HANDLE_HEAD_BYTES } from "../../../kernel/abi/file-handle.js";
import { AT_FDCWD, asPid, type Fd } from "../../../kernel/brand.js";
import { kernelDevice, kernelDeviceOf } from "../../../kernel/device.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { type Mount, readMountinfo } from "../../../kernel/proc/mountinfo.js";
import { sys } from "../../../kernel/syscalls.js";

/** What identifies an inode on this machine. `device` as the kernel counts. */
export interface Inode {
  readonly device: number;
  readonly inode: bigint;
}

/** FhEntry.handle is an array of fixed length in CRIU's images. */
const HANDLE_WORDS = 16;
/** A handle of which nothing is known. */
const NONE = { bytes: 0, type: 0, handle: Array<bigint>(HANDLE_WORDS).fill(0n) };

/** "fhandle-bytes:8 fhandle-type:1 f_handle:1a2b...": fs/notify/fdinfo.c, show_mark_fhandle(). Some file systems have none. */
export function parseHandle(fields: ReadonlyMap<string, string>): FhEntry {
  const text = fields.get("f_handle");
  if (text === undefined) return create(FhEntrySchema, NONE);
  const words = new BigUint64Array(HANDLE_WORDS);
  Buffer.from(words.buffer).set(Buffer.from(text, "hex").subarray(0, words.byteLength));
  const number = (name: string) => Number.parseInt(fields.get(name) ?? "0", 16);
  return create(FhEntrySchema, {
    bytes: number("fhandle-bytes"),
    type: number("fhandle-type"),
    handle: [...words],
  });
}

/** Calls `use` with an O_PATH descriptor of the inode until it gives something; undefined: no mount lets it be opened, or `use` never did. */
export function withHandle<T>(
  device: number,
  handle: FhEntry,
  use: (inode: Fd, mount: Mount) => T | undefined,
): T | undefined {
  const mounts = readMountinfo(asPid(process.pid)) ?? [];
  for (const mount of mounts) {
    if (handle.bytes === 0 || kernelDeviceOf(mount.major, mount.minor) !== device) continue;
    const opened = openByHandle(mount, device, handle);
    if (opened === undefined) continue;
    using inode = own(opened);
    const result = use(inode.fd, mount);
    if (result !== undefined) return result;
  }
  return undefined;
}

function openByHandle({ mountPoint }: Mount, device: number, { bytes, type, handle }: FhEntry): Fd | undefined {
  // A mount that another one hides, or that is a single file, will not do.
  const errors = ["ENOENT", "ENOTDIR", "EACCES", "ENODEV"] as const;
  const flags = O_RDONLY | O.O_DIRECTORY | O.O_CLOEXEC;
  const root = unless(errors, () => sys.openat(AT_FDCWD, mountPoint, flags, 0));
  if (root === undefined) return undefined;
  using mounted = own(root);
  if (kernelDevice(fstatSync(mounted.fd, { bigint: true }).dev) !== device) return undefined;
  const value = new Uint8Array(BigUint64Array.from(handle).buffer).subarray(0, bytes);
  const words = new Uint8Array(Int32Array.of(value.byteLength, type).buffer);
  const whole = Buffer.concat([words, value]);
  if (whole.byteLength !== FILE_HANDLE_HEAD_BYTES + bytes) return undefined;
  return unless(["ESTALE", "EOPNOTSUPP", "EINVAL", "ENOENT"], () =>
    sys.open_by_handle_at(mounted.fd, whole, O.O_PATH | O.O_CLOEXEC),
  );
}

/** Where a descriptor's file is, when its path leads to it. */
export function pathOf(file: Fd, wanted: Inode): string | undefined {
  const path = readlinkSync(`/proc/self/fd/${file}`);
  return isInode(path, wanted) ? path : undefined;
}

export function isInode(path: string, { device, inode }: Inode): boolean {
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && there.ino === inode && kernelDevice(there.dev) === device;
}
