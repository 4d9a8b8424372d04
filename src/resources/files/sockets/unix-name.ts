// Names of unix sockets: unix(7). A path, absolute or relative to where it was bound, or an abstract name that begins with NUL.
import {
  chmodSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { io } from "../../../images/file.js";
import { FilePermsEntrySchema, type UnixSkEntry } from "../../../images/format/entries.js";
import { O } from "../../../kernel/abi/fcntl.js";
import { SIOCUNIXFILE } from "../../../kernel/abi/socket.js";
import { AT_FDCWD, asFd, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { bindToName } from "../../../kernel/packets.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";

const DELETED = " (deleted)";

export const isPath = (name: Uint8Array) => name.byteLength > 0 && name[0] !== 0;
/** The kernel counts the NUL that ends a path as a part of the name; an abstract name may have some inside. */
export const pathOf = (name: Uint8Array) =>
  Buffer.from(name)
    .toString("utf8")
    .replace(isPath(name) ? /\0.*$/s : /\0$/, "");

/** As people write it: the NUL of an abstract name is "@". */
export const showName = (name: Uint8Array) => JSON.stringify(pathOf(name).replaceAll("\0", "@"));

/** Where the file of a bound socket lies, who may use it, and whether it still has its name. */
export function collectName(
  socket: Fd,
  name: Uint8Array,
): Pick<UnixSkEntry, "filePerms" | "nameDir" | "deleted"> | undefined {
  if (!isPath(name)) return undefined;
  const number = unless("ENOENT", () => sys.ioctl(socket, SIOCUNIXFILE, null));
  if (number === undefined) return undefined;
  using file = own(asFd(number));
  const link = readlinkSync(`/proc/self/fd/${file.fd}`);
  const { mode, uid, gid } = fstatSync(file.fd);
  const isDeleted = link.endsWith(DELETED);
  const path = isDeleted ? link.slice(0, -DELETED.length) : link;
  const given = pathOf(name);
  const nameDir = !given.startsWith("/") && path.endsWith(`/${given}`) ? path.slice(0, -given.length - 1) || "/" : "";
  return { filePerms: create(FilePermsEntrySchema, { mode, uid, gid }), nameDir, deleted: isDeleted };
}

/** Where names are looked up: in the directory that a relative one belongs to, or in a tree of our own for files that are deleted. */
export interface Place {
  within<T>(use: () => T): T;
}

export const realPlace = (nameDir: string): Place => ({
  within: (use) => (nameDir === "" ? use() : inDirectory(nameDir, use)),
});

function inDirectory<T>(directory: string, use: () => T): T {
  const before = process.cwd();
  io("restore a socket in", { kind: "path", path: directory }, () => process.chdir(directory));
  try {
    return use();
  } finally {
    process.chdir(before);
  }
}

/**
 * A root directory of our own, in which any path can be bound whatever has it outside: chroot(2). Nothing else of this process runs
 * meanwhile.
 */
export class PrivatePlace implements Place, Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), "stasis-sockets-"));

  constructor(private readonly nameDir: string) {}

  within<T>(use: () => T): T {
    using before = own(sys.openat(AT_FDCWD, "/", O.O_PATH | O.O_CLOEXEC, 0));
    const cwd = process.cwd();
    sys.chroot(this.#root);
    try {
      mkdirSync(join("/", this.nameDir), { recursive: true });
      process.chdir(join("/", this.nameDir));
      return use();
    } finally {
      sys.fchdir(before.fd);
      sys.chroot(".");
      process.chdir(cwd);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

type Bound = Pick<UnixSkEntry, "name" | "id"> & Partial<Pick<UnixSkEntry, "filePerms">>;

/** Binds a socket to the name of its entry; a file that the dumped socket left behind makes room. Throws StasisError when something else has it. */
export function bindAgain(socket: Fd, entry: Bound, place: Place): void {
  if (!isPath(entry.name)) {
    bindToName(socket, entry.name);
    return;
  }
  const path = pathOf(entry.name);
  place.within(() => io("restore the socket", { kind: "path", path }, () => bindToPath(socket, path, entry, place)));
}

function bindToPath(socket: Fd, path: string, entry: Bound, place: Place): void {
  makeRoom(path, entry, place);
  if (place instanceof PrivatePlace) mkdirSync(dirname(path), { recursive: true });
  bindToName(socket, entry.name);
  const { filePerms } = entry;
  if (filePerms === undefined) return;
  lchownSync(path, filePerms.uid, filePerms.gid);
  chmodSync(path, filePerms.mode & 0o7777);
}

function makeRoom(path: string, entry: Bound, place: Place): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw occupied(entry, "another file has its name");
  if (!(place instanceof PrivatePlace) && isBound(entry.name))
    throw occupied(entry, "another socket is bound to its name");
  unlinkSync(path);
}

/** proc_net_unix: num, refcount, protocol, flags, type, state, inode, path. Of a relative path it does not say where. */
function isBound(name: Uint8Array): boolean {
  const path = pathOf(name);
  if (!path.startsWith("/")) return false;
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .some((line) => line.split(/\s+/).slice(7).join(" ") === path);
}

function occupied({ name, id }: Bound, reason: string): StasisError {
  return new StasisError({
    code: "MAPPED_FILE_CHANGED",
    doing: "restore the file",
    subject: { kind: "image", file: "files.img" },
    reason: `socket ${JSON.stringify(pathOf(name))} (file ${id}): ${reason}`,
    remedy: "end the program that listens there, or move the file away",
  });
}
