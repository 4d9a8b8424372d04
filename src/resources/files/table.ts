// The open files of a tree: which descriptors share which open file description, files.img and fdinfo-N.img. On a restore each
// description is opened once, here, and fetched by the tasks with pidfd_getfd(2).
import { create } from "@bufbuild/protobuf";
import {
  type FdinfoEntry,
  FdinfoEntrySchema,
  FdType,
  type FileEntry,
  FileEntrySchema,
  type FownEntry,
  type RegFileEntry,
  type UnixSkEntry,
} from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { KCMP } from "../../kernel/abi/process.js";
import { asPid, asTargetFd, type Fd, type TargetFd } from "../../kernel/brand.js";
import { own } from "../../kernel/own-fd.js";
import { type SeenDescriptor, type SeenSocket, seenDescriptors } from "../../kernel/proc/descriptors.js";
import { countFds, listFds } from "../../kernel/proc/fdinfo.js";
import type { QuickLook } from "../../kernel/proc/fdinfos.js";
import { LockedInodes } from "../../kernel/proc/locks.js";
import type { Stat } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import type { Subject } from "../../report/error.js";
import { type DescriptorFlags, descriptorFlags } from "../../tracee/descriptor-flags.js";
import type { Inside } from "../../tracee/inside.js";
import { type AnyFileKind, type AnyKind, modeOf, recognise } from "../index.js";
import type { Descriptor, DumpContext, DumpedProcess, FileRegister, OpenFile } from "../kind.js";
import { collectOwner, NO_OWNER } from "./common.js";
import { FileLocks } from "./locks.js";
import { refuseFile } from "./refuse.js";
import { regular } from "./regular/regular.js";
import { askAhead } from "./sockets/ahead.js";
import { familyOf } from "./sockets/families.js";
import { isTerminal } from "./tty/devices.js";

const FD_CLOEXEC = 1;
/** Of a process: from here on it is worth to ask in a way that costs some milliseconds by itself. */
const MANY = 1000;
/** A table may have room for so many descriptors to each that is in it. */
const MOST_SPARSE = 4;

/** A descriptor, in whichever process. */
interface Held extends Pick<Descriptor, "pid" | "fd"> {
  readonly isOwned: boolean;
}
/** A description that is in the images. */
interface Known extends Descriptor {
  readonly type: FdType;
}
interface Alike {
  readonly dev: bigint;
  readonly flags: number;
  /** In the order of kcmp(2). */
  readonly those: Known[];
}

export class FileTable implements FileRegister {
  readonly #entries: FileEntry[] = [];
  /** By inode, device and flags: of all eventfds, say, these are equal. */
  readonly #known = new Map<bigint, Alike[]>();
  readonly #descriptors = new Map<bigint, Descriptor[]>();
  /** Mapped files, directories and the like, of which only the inode counts. */
  readonly #inodes = new Map<string, number>();
  readonly #tables = new Set<number>();
  /** By table, where it has very many descriptors: what is known of them. */
  readonly #looked = new Map<number, QuickLook & DescriptorFlags>();
  #locked: LockedInodes | undefined;
  #lastId = 0;

  constructor(private readonly context: () => DumpContext) {}

  /** Is told of all processes before the first is collected: what is to be known of very many descriptors takes a while. */
  expect({ living, status }: DumpedProcess): void {
    const { options, scope } = this.context();
    // An external file is named by the number of its mount, which fdinfo alone has.
    if (this.#locked !== undefined || options.external.length > 0) return;
    if (status.fdSize < MANY || countFds(living) < MANY) return;
    this.#locked = LockedInodes.begin();
    if (this.#locked !== undefined) scope.use(this.#locked);
  }

  /** `inside`: a thread that the table is of. */
  lookFromInside({ living, status }: DumpedProcess, filesId: number, inside: Inside): void {
    const locked = this.#locked;
    if (locked === undefined || this.#tables.has(filesId) || status.fdSize > countFds(living) * MOST_SPARSE) return;
    this.#looked.set(filesId, { locked, ...descriptorFlags(inside, status.fdSize) });
  }

  /** Writes fdinfo-`filesId`.img unless a task that shares the table came before. Result: how many descriptors are in it. */
  collectDescriptors(process: DumpedProcess, filesId: number): number {
    if (this.#tables.has(filesId)) return 0;
    this.#tables.add(filesId);
    const { attempt } = this.context();
    const entries: FdinfoEntry[] = [];
    const { living, pidfd } = process;
    const quick = this.#looked.get(filesId);
    for (const { look } of seenDescriptors(living, pidfd, quick?.fds ?? listFds(living), {
      quick,
      foresee: this.#foresee,
    }))
      attempt(() => entries.push(this.#collectDescriptor(process, look(), filesId)));
    this.context().images.writeLater("fdinfo", filesId, entries);
    return entries.length;
  }

  readonly #foresee = (sockets: readonly SeenSocket[]): Disposable =>
    askAhead(
      sockets.filter(({ inode }) => !this.#known.has(inode)),
      this.context(),
    );

  #collectDescriptor(process: DumpedProcess, seen: SeenDescriptor, filesId: number): FdinfoEntry {
    const { pid, living, comm } = process;
    const { targetFd: fd, link = "", isOwned } = seen;
    const file = openFile(process, seen, { kind: "file", pid, comm, fd, link }, fd);
    const { id, type } = this.#collectFile(file, { pid: living, fd, isOwned }, filesId);
    const flags = seen.fdinfo?.flags ?? 0;
    return create(FdinfoEntrySchema, { id, type, fd, flags: (flags & O.O_CLOEXEC) === 0 ? 0 : FD_CLOEXEC });
  }

  inFlight(process: DumpedProcess, duplicate: Fd): number {
    const ours = asPid(globalThis.process.pid);
    using pidfd = own(sys.pidfd_open(ours, 0));
    const { pid, comm } = process;
    for (const { look } of seenDescriptors(ours, pidfd.fd, [asTargetFd(duplicate)])) {
      const seen = look();
      // By the one that stays open: a set of watches is asked again at the end (epoll.ts).
      const file = { ...openFile(process, seen, { kind: "process", pid, comm }), duplicate };
      return this.#collectFile(file, { pid: ours, fd: seen.targetFd, isOwned: seen.isOwned }).id;
    }
    throw new RangeError("a descriptor of ours that is not there");
  }

  #collectFile(file: OpenFile, held: Held, filesId?: number): { id: number; type: FdType } {
    const found = this.#find(file, held);
    this.#note(file.stat.ino, { pid: held.pid, fd: held.fd, id: found.id });
    this.context().once(FileLocks).note(file, found.id, filesId);
    return found;
  }

  #find(file: OpenFile, { pid, fd, isOwned }: Held): { id: number; type: FdType } {
    const flags = (file.fdinfo?.flags ?? 0) & ~O.O_CLOEXEC;
    const alike = this.#alikeTo(file.stat, flags);
    const { same, place } = search(alike, { pid, fd });
    if (same !== undefined) return same;
    const kind = supported(file);
    const id = this.#collect(kind, file, flags, isOwned ? collectOwner(file.duplicate) : NO_OWNER);
    const known = { id, type: FdType[kind.type], pid, fd };
    alike.splice(place, 0, known);
    return known;
  }

  #alikeTo({ dev, ino }: Stat, flags: number): Known[] {
    const ofInode = this.#known.get(ino) ?? [];
    if (ofInode.length === 0) this.#known.set(ino, ofInode);
    const found = ofInode.find((one) => one.dev === dev && one.flags === flags);
    if (found !== undefined) return found.those;
    const those: Known[] = [];
    ofInode.push({ dev, flags, those });
    return those;
  }

  #note(inode: bigint, descriptor: Descriptor): void {
    const those = this.#descriptors.get(inode);
    if (those === undefined) this.#descriptors.set(inode, [descriptor]);
    else those.push(descriptor);
  }

  descriptorsOf(inode: bigint): readonly Descriptor[] {
    return this.#descriptors.get(inode) ?? [];
  }

  register(file: OpenFile, flags: number): number {
    const key = `${file.stat.dev}:${file.stat.ino}:${flags}:${file.link}`;
    const known = this.#inodes.get(key);
    if (known !== undefined) return known;
    const kind = registered(file);
    const id = this.#collect(kind, file, flags, NO_OWNER);
    this.#inodes.set(key, id);
    return id;
  }

  #collect(kind: AnyFileKind, file: OpenFile, flags: number, fown: FownEntry): number {
    this.#lastId += 1;
    const id = this.#lastId;
    const collected = kind.collect(file, { id, flags, fown }, this.context());
    const entry: FileEntry = create(FileEntrySchema, { type: FdType[kind.type], id });
    Reflect.set(entry, kind.field, collected);
    this.#entries.push(entry);
    return id;
  }

  addRegular(make: (id: number) => RegFileEntry): number {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#entries.push(create(FileEntrySchema, { type: FdType.REG, id, reg: make(id) }));
    return id;
  }

  addPath(reg: RegFileEntry): void {
    this.#entries.push(create(FileEntrySchema, { type: FdType.REG, id: reg.id, reg }));
  }

  addUnixPeer(make: (id: number) => UnixSkEntry): void {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#entries.push(create(FileEntrySchema, { type: FdType.UNIXSK, id, usk: make(id) }));
  }

  get entries(): readonly FileEntry[] {
    return this.#entries;
  }

  /** files.img. */
  write(): void {
    this.context().images.writeLater("files", undefined, this.#entries);
  }
}

/** A binary search: kcmp(2) says which of two comes first. `place`: where it belongs. */
function search(
  known: readonly Known[],
  { pid, fd }: Pick<Descriptor, "pid" | "fd">,
): { readonly same?: Known; readonly place: number } {
  let from = 0;
  let to = known.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const one = known[middle];
    if (one === undefined) break;
    const order = sys.kcmp(pid, one.pid, KCMP.KCMP_FILE, BigInt(fd), BigInt(one.fd));
    if (order === 0) return { same: one, place: middle };
    if (order === COMES_BEFORE) to = middle;
    else from = middle + 1;
  }
  return { place: from };
}
const COMES_BEFORE = 1;

/** Of ten thousand files: an object spread takes ten times as long as its properties one by one. */
function openFile(process: DumpedProcess, seen: SeenDescriptor, subject: Subject, targetFd?: TargetFd): OpenFile {
  const { duplicate, link = "", fdinfo, stat, isAtLink, socket } = seen;
  return { process, duplicate, link, targetFd, fdinfo, subject, stat, isAtLink, socket };
}

function supported(file: OpenFile): AnyFileKind {
  const kind = recognise(file);
  if (kind?.support === "full") return kind;
  throw refuseFile(file.subject, refusal(kind, file), kind?.remedy ?? "have the program close it before the dump");
}

function refusal(kind: AnyKind | undefined, file: OpenFile): string {
  const { link } = file;
  if (kind === undefined && modeOf(file) === "socket") return `sockets of ${familyOf(file)} are not supported`;
  return kind === undefined ? `files like ${link} are not known` : `${kind.summary}, are not supported yet`;
}

/** What a mapping, directory, FIFO or terminal has a path of is always a file of the file system. */
function registered(file: OpenFile): AnyFileKind {
  return modeOf(file) === "fifo" || isTerminal(file.stat) ? regular : supported(file);
}
