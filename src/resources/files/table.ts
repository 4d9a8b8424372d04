// The open files of a tree: which descriptors share which open file description, files.img and fdinfo-N.img. On a restore each
// description is opened once, here, and fetched by the tasks with pidfd_getfd(2).
import { create } from "@bufbuild/protobuf";
import {
  type FdinfoEntry,
  FdinfoEntrySchema,
  FdType,
  type FileEntry,
  FileEntrySchema,
  type RegFileEntry,
} from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { KCMP } from "../../kernel/abi/process.js";
import { asPid, asTargetFd, type Fd, type TargetFd } from "../../kernel/brand.js";
import { own } from "../../kernel/own-fd.js";
import { listFds, readFdinfo, readFdLink } from "../../kernel/proc/fdinfo.js";
import { statOf } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import { type AnyFileKind, type AnyKind, modeOf, recognise } from "../index.js";
import type { Descriptor, DumpContext, DumpedProcess, FileCommon, FileRegister, OpenFile } from "../kind.js";
import { collectOwner, NO_OWNER } from "./common.js";
import { FileLocks } from "./locks.js";
import { refuseFile } from "./refuse.js";
import { regular } from "./regular/regular.js";
import { familyOf } from "./sockets/families.js";
import { isTerminal } from "./tty/devices.js";

const FD_CLOEXEC = 1;

/** A descriptor by which kcmp(2) can ask for its description. */
type Held = Pick<Descriptor, "pid" | "fd">;
/** A description that is in the images. */
interface Known extends Descriptor {
  readonly type: FdType;
}

export class FileTable implements FileRegister {
  readonly #entries: FileEntry[] = [];
  /** By device, inode and flags, and then in the order of kcmp(2): of all eventfds, say, these are equal. */
  readonly #known = new Map<string, Known[]>();
  readonly #descriptors = new Map<bigint, Descriptor[]>();
  /** Mapped files, directories and the like, of which only the inode counts. */
  readonly #inodes = new Map<string, number>();
  readonly #tables = new Set<number>();
  #lastId = 0;

  constructor(private readonly context: () => DumpContext) {}

  /** Writes fdinfo-`filesId`.img unless a task that shares the table came before. */
  collectDescriptors(process: DumpedProcess, filesId: number): void {
    if (this.#tables.has(filesId)) return;
    this.#tables.add(filesId);
    const entries = listFds(process.living).map((fd) => this.#collectDescriptor(process, fd, filesId));
    this.context().images.writeLater("fdinfo", filesId, entries);
  }

  #collectDescriptor(process: DumpedProcess, targetFd: TargetFd, filesId: number): FdinfoEntry {
    using duplicate = own(sys.pidfd_getfd(process.pidfd, targetFd, 0));
    const { pid, living, comm } = process;
    const link = readFdLink(living, targetFd) ?? "";
    const fdinfo = readFdinfo(living, targetFd);
    const stat = statOf(duplicate.fd);
    const subject = { kind: "file", pid, comm, fd: targetFd, link } as const;
    const file: OpenFile = {
      process,
      duplicate: duplicate.fd,
      link,
      targetFd,
      subject,
      stat,
      ...(fdinfo === undefined ? {} : { fdinfo }),
    };
    const { id, type } = this.#find(file, { pid: living, fd: targetFd });
    this.#note(stat.ino, { pid: living, fd: targetFd, id });
    this.context().once(FileLocks).note(file, id, filesId);
    const flags = fdinfo?.flags ?? 0;
    return create(FdinfoEntrySchema, { id, type, fd: targetFd, flags: (flags & O.O_CLOEXEC) === 0 ? 0 : FD_CLOEXEC });
  }

  inFlight(process: DumpedProcess, duplicate: Fd): number {
    const own = asPid(globalThis.process.pid);
    const fd = asTargetFd(duplicate);
    const link = readFdLink(own, fd) ?? "";
    const fdinfo = readFdinfo(own, fd);
    const { pid, comm } = process;
    const subject = { kind: "process", pid, comm } as const;
    const stat = statOf(duplicate);
    const file: OpenFile = { process, duplicate, link, subject, stat, ...(fdinfo === undefined ? {} : { fdinfo }) };
    const { id } = this.#find(file, { pid: own, fd });
    this.#note(stat.ino, { pid: own, fd, id });
    this.context().once(FileLocks).note(file, id);
    return id;
  }

  /** `held`: a descriptor of it, in whichever process. */
  #find(file: OpenFile, held: Held): { id: number; type: FdType } {
    const flags = (file.fdinfo?.flags ?? 0) & ~O.O_CLOEXEC;
    const key = `${file.stat.dev}:${file.stat.ino}:${flags}`;
    const alike = this.#known.get(key) ?? [];
    this.#known.set(key, alike);
    const { same, place } = search(alike, held);
    if (same !== undefined) return same;
    const kind = supported(file);
    const id = this.#collect(kind, file, { flags, fown: collectOwner(file.duplicate) });
    const known = { id, type: FdType[kind.type], ...held };
    alike.splice(place, 0, known);
    return known;
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
    const id = this.#collect(kind, file, { flags, fown: NO_OWNER });
    this.#inodes.set(key, id);
    return id;
  }

  #collect(kind: AnyFileKind, file: OpenFile, common: Omit<FileCommon, "id">): number {
    this.#lastId += 1;
    const id = this.#lastId;
    const collected = kind.collect(file, { ...common, id }, this.context());
    const entry: FileEntry = create(FileEntrySchema, { type: FdType[kind.type], id });
    Object.assign(entry, { [kind.field]: collected });
    this.#entries.push(entry);
    return id;
  }

  addRegular(make: (id: number) => RegFileEntry): number {
    this.#lastId += 1;
    const id = this.#lastId;
    this.#entries.push(create(FileEntrySchema, { type: FdType.REG, id, reg: make(id) }));
    return id;
  }

  /** files.img. */
  write(): void {
    this.context().images.writeLater("files", undefined, this.#entries);
  }
}

/** A binary search: kcmp(2) says which of two comes first. `place`: where it belongs. */
function search(known: readonly Known[], { pid, fd }: Held): { readonly same?: Known; readonly place: number } {
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
