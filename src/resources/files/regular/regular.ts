// Files of a file system, and what is opened like one: directories, /dev/null and its kind, symbolic links held with O_PATH. open(2).

import { create } from "@bufbuild/protobuf";
import { type RegFileEntry, RegFileEntrySchema } from "../../../images/format/entries.js";
import { O, SEEK_SET } from "../../../kernel/abi/fcntl.js";
import { AT_FDCWD, asFd, type Fd } from "../../../kernel/brand.js";
import { SyscallError } from "../../../kernel/errno.js";
import { closeAll, completed } from "../../../kernel/own-fd.js";
import { modesAndSizesAt, openMany } from "../../../kernel/paths.js";
import { type ModeAndSize, type Stat, statAt } from "../../../kernel/stat.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { DumpContext, FileCommon, FileKind, OpenFile, RestoreContext } from "../../kind.js";
import { flagsForOpen } from "../common.js";
import { refuseFile } from "../refuse.js";
import { isTerminal } from "../tty/devices.js";
import { TerminalPaths } from "../tty/paths.js";
import { mayHaveBuildId, readBuildId, showBuildId } from "./build-id.js";
import { deadTask, isOfATask } from "./dead-tasks.js";
import { Ghosts } from "./ghost.js";
import { WriteLeases } from "./leases.js";
import { LinkRemaps } from "./links.js";
import { RestoredGhosts } from "./restored.js";

const S_IFMT = 0o170000n;
const S_IFREG = 0o100000n;
const S_IFDIR = 0o040000n;
const S_IFCHR = 0o020000n;
const S_IFLNK = 0o120000n;
/** Devices without state of their own: Documentation/admin-guide/devices.txt, major 1 (null, zero, full, random, urandom, kmsg). */
const MEMORY_MAJOR = 1n;
const DELETED = " (deleted)";

export const regular: FileKind<"reg"> = {
  support: "full",
  type: "REG",
  field: "reg",
  summary: "regular files, directories and devices without state, open(2)",
  signatures: [
    { mode: "regular" },
    { mode: "directory" },
    { mode: "character" },
    { mode: "block" },
    { mode: "symlink" },
  ],
  limits: [
    "the contents of files that still have a name are not in the images: they must be there on restore",
    "the link that --link-remap makes for a file lies next to it until the images are restored, once",
    "a deleted file on which a write lease is held is refused; a write lease on a file that is mapped and not open any more is broken",
  ],

  collect(file, common, context) {
    const key = context.options.external.length === 0 ? "" : externalKey(file);
    if (context.options.external.includes(key)) return externalEntry(file, common, key);
    if ((common.flags & O.O_PATH) === 0) checkDevice(file);
    const isPath = isTerminal(file.stat);
    const isProgram = (file.stat.mode & S_IFMT) === S_IFREG && mayHaveBuildId(file.link, file.stat.mode);
    const hasId = context.options.buildIds && isProgram && !context.once(WriteLeases).isHeldOn(file);
    return create(RegFileEntrySchema, {
      id: common.id,
      flags: common.flags,
      pos: file.fdinfo?.position ?? 0n,
      fown: common.fown,
      name: isPath ? pathOfTerminal(file) : nameOf(file, common, context),
      mntId: -1,
      size: file.stat.size,
      mode: Number(file.stat.mode),
      buildId: hasId ? readBuildId(`/proc/self/fd/${file.duplicate}`) : [],
    });
  },

  validate(entry, context) {
    if (entry.ext) return checkInherited(entry, context);
    const paths = context.once(OwnPaths);
    if (paths.has(entry) && !isMadeByKernel(entry)) checkOnDisk(entry, paths.found(entry), context.options.buildIds);
  },

  isLate({ name }) {
    return isOfATask(name);
  },

  open(entry, context) {
    const inherited = context.inherited.get(entry.name.slice(1));
    if (inherited !== undefined) return sys.dup(inherited);
    const flags = flagsForOpen(entry.flags);
    const opened = openThrough(entry, context, (path) => openAgain(entry, path, flags));
    return completed(opened, (fd) => seekAgain(fd, entry));
  },

  openMany(entries, context) {
    const paths = context.once(OwnPaths);
    const plain = entries.filter((entry) => paths.has(entry));
    const fds = openMany(plain.map(({ name, flags }) => ({ path: name, flags: flagsForOpen(flags) })));
    try {
      for (const [index, entry] of plain.entries()) seekAgain(fds[index], entry);
    } catch (error) {
      closeAll(fds.filter((fd) => fd !== undefined));
      throw error;
    }
    if (plain.length === entries.length) return fds;
    const opened = new Map(plain.map((entry, index) => [entry, fds[index]]));
    return entries.map((entry) => opened.get(entry));
  },
};

function seekAgain(fd: Fd | undefined, { pos, flags, mode }: RegFileEntry): void {
  if (fd === undefined || pos === 0n || (flags & O.O_PATH) !== 0 || (BigInt(mode) & S_IFMT) === S_IFCHR) return;
  sys.lseek(fd, pos, SEEK_SET);
}

/** The files of a restore that are opened by their own paths, which are there before anything is restored. They are looked up together. */
class OwnPaths {
  readonly #entries = new Set<RegFileEntry>();
  readonly #found: ReadonlyMap<RegFileEntry, ModeAndSize | undefined>;

  constructor(context: RestoreContext) {
    const terminals = context.once(TerminalPaths);
    const ghosts = context.once(RestoredGhosts);
    for (const { reg } of context.files.all()) {
      if (reg === undefined || reg.ext || terminals.has(reg.id)) continue;
      if (context.inherited.size > 0 && context.inherited.has(reg.name.slice(1))) continue;
      if (ghosts.linkOf(reg.id) === undefined && !ghosts.has(reg.id)) this.#entries.add(reg);
    }
    const sought = [...this.#entries].filter((entry) => !isMadeByKernel(entry));
    const found = modesAndSizesAt(sought.map((entry) => ({ path: entry.name, follow: !isLink(entry) })));
    this.#found = new Map(sought.map((entry, index) => [entry, found[index]]));
  }

  has(entry: RegFileEntry): boolean {
    return this.#entries.has(entry);
  }

  /** What is there. */
  found(entry: RegFileEntry): ModeAndSize | undefined {
    return this.#found.get(entry);
  }
}

const isLink = ({ mode }: RegFileEntry): boolean => (BigInt(mode) & S_IFMT) === S_IFLNK;

/** How --external and --inherit-fd name a file: the ids of its mount, as its process sees it, and of its inode. */
const externalKey = ({ fdinfo, stat }: OpenFile): string =>
  `file[${fdinfo?.mountId.toString(16)}:${stat.ino.toString(16)}]`;

function externalEntry({ fdinfo, stat }: OpenFile, { id, flags, fown }: FileCommon, name: string): RegFileEntry {
  const pos = fdinfo?.position ?? 0n;
  return create(RegFileEntrySchema, { id, flags, pos, fown, name, mntId: -1, mode: Number(stat.mode), ext: true });
}

function checkInherited({ name }: RegFileEntry, { inherited }: RestoreContext): void {
  if (inherited.has(name)) return;
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "restore with",
    subject: { kind: "option", name: "external" },
    reason: `${name} was left out of the dump`,
    remedy: `pass --inherit-fd fd[N]:${name} with a descriptor for it`,
  });
}

/** Calls `open` with a path that leads to the file: its own, that of a ghost or link, or of a descriptor of the client. */
export function openThrough(entry: RegFileEntry, context: RestoreContext, open: (path: string) => Fd): Fd {
  if (entry.ext) return open(`/proc/self/fd/${context.inherited.get(entry.name)}`);
  return context.once(RestoredGhosts).openThrough(entry, open);
}

/** The path by which it is opened again. A file that has lost its name becomes a ghost. */
function nameOf(file: OpenFile, common: FileCommon, context: DumpContext): string {
  if (file.isAtLink ?? isAt(file, file.link)) return file.link;
  const withoutMark = file.link.endsWith(DELETED) ? file.link.slice(0, -DELETED.length) : file.link;
  const pid = deadTask(withoutMark);
  if (pid !== undefined) {
    context.once(Ghosts).addDeadTask(pid, common.id);
    return withoutMark;
  }
  if (context.options.evasiveDevices && isSameDevice(file)) return file.link;
  if (withoutMark === file.link) {
    throw refuseFile(
      file.subject,
      "another file is at its path, or none: a mount hides it",
      "unmount what lies over it, or run stasis in its mount namespace",
    );
  }
  const name = withoutMark;
  if (file.stat.nlink > 0n && (file.stat.mode & S_IFMT) !== S_IFDIR) {
    if (!context.options.linkRemap)
      throw refuseFile(
        file.subject,
        "its name was removed while it has others",
        "pass --link-remap, or have it closed",
      );
    context.once(LinkRemaps).add(file, name, common.id);
    return name;
  }
  context.once(Ghosts).add(file, common.id);
  return name;
}

/** That of a slave is removed from /dev/pts when its master is closed. */
const pathOfTerminal = ({ link }: OpenFile) => (link.endsWith(DELETED) ? link.slice(0, -DELETED.length) : link);

function isAt({ stat }: OpenFile, path: string): boolean {
  const there = lookUp(path, stat.mode & S_IFMT);
  return there !== undefined && there.dev === stat.dev && there.ino === stat.ino;
}

/** Another inode of the same device, as in another mount of devtmpfs. */
function isSameDevice({ link, stat }: OpenFile): boolean {
  const there = lookUp(link, stat.mode & S_IFMT);
  return stat.rdev !== 0n && there?.rdev === stat.rdev && (there.mode & S_IFMT) === (stat.mode & S_IFMT);
}

const lookUp = (path: string, type: bigint): Stat | undefined => statAt(path, { follow: type !== S_IFLNK });

function checkDevice({ stat, subject }: OpenFile): void {
  const type = stat.mode & S_IFMT;
  const isNode = type === S_IFCHR || type === 0o060000n;
  if (!isNode || isTerminal(stat) || (type === S_IFCHR && stat.rdev >> 8n === MEMORY_MAJOR)) return;
  throw refuseFile(
    subject,
    `it is a device (${stat.rdev >> 8n}:${stat.rdev & 0xffn}) whose state cannot be read`,
    "have the program close it before the dump",
  );
}

/** Files of /proc are made by the kernel for tasks that may not exist yet. */
const isMadeByKernel = ({ name }: RegFileEntry): boolean => name.startsWith("/proc/");

function checkOnDisk(entry: RegFileEntry, there: ModeAndSize | undefined, buildIds: boolean): void {
  const type = BigInt(entry.mode) & S_IFMT;
  if (there === undefined) throw changed(entry, "it is gone");
  if (entry.mode !== 0 && (there.mode & S_IFMT) !== type) throw changed(entry, "it is of another type now");
  if (type === S_IFREG && entry.size !== 0n && there.size !== entry.size && !entry.name.startsWith("/sys/")) {
    throw changed(entry, `it has ${there.size} bytes now, and had ${entry.size} when it was dumped`);
  }
  if (!buildIds || entry.buildId.length === 0) return;
  const wanted = showBuildId(entry.buildId);
  const now = showBuildId(readBuildId(entry.name));
  if (now !== wanted) throw changed(entry, `its build id is ${now} now, and was ${wanted} when it was dumped`);
}

function changed({ name }: RegFileEntry, reason: string): StasisError {
  return new StasisError({
    code: "MAPPED_FILE_CHANGED",
    doing: "restore the file",
    subject: { kind: "path", path: name },
    reason,
    remedy: "put the file back as it was",
  });
}

function openAgain(entry: RegFileEntry, path: string, flags: number): Fd {
  try {
    return asFd(sys.openat(AT_FDCWD, path, flags, 0));
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw changed(entry, `it cannot be opened (${cause.errno})`);
  }
}
