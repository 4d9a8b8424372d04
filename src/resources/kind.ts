// What a kind of kernel object looks like to the rest: collected on a dump, put back on a restore, in one module each.
//
// TaskPart: state of one process or thread. FileKind: an open file description. The orchestrators in operations/ walk these
// families in order and know no kind by name.

import type { ImageDirectory } from "../images/directory.js";
import type { CoreEntry, FdType, FileEntry, FownEntry, RegFileEntry, UnixSkEntry } from "../images/format/entries.js";
import type { SocketKind } from "../kernel/abi/socket.js";
import type { Fd, Pid, TargetFd } from "../kernel/brand.js";
import type { Fdinfo } from "../kernel/proc/fdinfo.js";
import type { Mapping } from "../kernel/proc/maps.js";
import type { TaskStat } from "../kernel/proc/stat.js";
import type { TaskStatus } from "../kernel/proc/status.js";
import type { Scope } from "../kernel/scope.js";
import type { Stat } from "../kernel/stat.js";
import type { DumpOptions, RestoreOptions } from "../options/views.js";
import type { Subject } from "../report/error.js";
import type { Log } from "../report/log.js";
import type { Inside } from "../tracee/inside.js";
import type { TargetMemory } from "../tracee/memory.js";
import type { Answers, Question } from "../tracee/questions.js";
import type { Registers, Tracee } from "../tracee/tracee.js";

/** A process on its way into the images. */
export interface DumpedProcess {
  readonly pid: Pid;
  readonly comm: string;
  readonly stat: TaskStat;
  readonly status: TaskStatus;
  /** Those that live; the leader comes first, unless it has ended. */
  readonly threads: readonly Tracee[];
  /** The first of them, by whose number /proc shows memory and files. */
  readonly living: Pid;
  readonly memory: TargetMemory;
  readonly mappings: readonly Mapping[];
  /** Descriptor that stands for the process, or for a thread of it when its leader has ended: pidfd_open(2). */
  readonly pidfd: Fd;
  /** The signal by which it was stopped when the dump began. */
  readonly stoppedBy?: number;
}

/** One of its threads, entered: calls can be made inside, and the registers are those it was found with. */
export interface DumpedThread {
  readonly process: DumpedProcess;
  readonly tracee: Tracee;
  readonly isLeader: boolean;
  readonly inside: Inside;
  readonly registers: Registers;
  readonly signalMask: bigint;
  /** /proc/PID/task/TID/status. */
  readonly status: TaskStatus;
  /** To what task parts ask. */
  readonly answers: Answers;
}

/** What every kind may use on a dump. */
export interface DumpContext {
  readonly images: ImageDirectory;
  readonly log: Log;
  readonly options: DumpOptions;
  /** A UUID of this dump, in its inventory. */
  readonly runId: string;
  readonly files: FileRegister;
  readonly shared: SharedMemoryRegister;
  /** Inode of our end of the connection of a client that asks for its own dump. */
  readonly serviceSocket: bigint | undefined;
  /** The tree runs on and is only explained: whatever would change something is left out. */
  readonly isRunning: boolean;
  /** Does what may be refused. A refusal ends a dump; an explanation notes it and goes on without the result. */
  attempt<T>(act: () => T): T | undefined;
  /** What kinds keep for the length of the dump; given back at its end, failed or not. */
  readonly scope: Scope;
  /** The one object of type T that belongs to this dump: made on first use. */
  once<T extends object>(make: new (context: DumpContext) => T): T;
}

/** Collects shared memory: one object may be mapped, or open, in many processes. */
export interface SharedMemoryRegister {
  /** The object's contents will be in the images. */
  add(object: SharedObject): void;
}
export interface SharedObject {
  /** N of pagemap-shmem-N.img. */
  readonly id: bigint;
  /** Leads to the file at the time of the call. */
  readonly path: string;
  readonly sizeBytes: bigint;
  /** Absent: it has ordinary pages. */
  readonly hugePageBytes?: number;
}

/** Gives file ids: one for each open file description or mapped file of the tree. */
export interface FileRegister {
  /** The id of the file behind a descriptor of ours that stands for one of the target's (a mapping's file, cwd, root, exe). */
  /** `flags`: how a mapping opened it (O_RDONLY, O_RDWR); asks for the inode only, not for the open file description. */
  register(file: OpenFile, flags: number): number;
  /** A file entry that nobody has a descriptor of; result: its id. */
  addRegular(make: (id: number) => RegFileEntry): number;
  /** Another entry for a file whose own one has the same number. */
  addPath(entry: RegFileEntry): void;
  /** The entry of a unix socket of another program. */
  addUnixPeer(make: (id: number) => UnixSkEntry): void;
  /** The id of an open file that is on its way in a socket of the process. `duplicate` is ours, and stays open until the dump has ended. */
  inFlight(process: DumpedProcess, duplicate: Fd): number;
  /** All that have been seen so far. */
  descriptorsOf(inode: bigint): readonly Descriptor[];
}

/** Where a file is open: in a task, or ours while it is on its way in a socket. */
export interface Descriptor {
  readonly pid: Pid;
  readonly fd: TargetFd;
  readonly id: number;
}

/** An open file of the target, as seen from outside: what every kind may look at before it decides. */
export interface OpenFile {
  readonly process: DumpedProcess;
  /** A descriptor of ours for the same open file description (pidfd_getfd), or for the same inode (O_PATH) when `targetFd` is absent. */
  readonly duplicate: Fd;
  /** What /proc/PID/fd/N (or map_files, cwd, root, exe) points to, " (deleted)" included. */
  readonly link: string;
  readonly targetFd?: TargetFd | undefined;
  readonly fdinfo?: Fdinfo | undefined;
  /** For messages. */
  readonly subject: Subject;
  readonly stat: Stat;
  /** Of a socket; absent: nobody has asked. */
  readonly socket?: SocketKind | undefined;
  /** Whether the path that its link is leads to it; absent: nobody has looked. */
  readonly isAtLink?: boolean | undefined;
}

/** Open flags and signal owner: what all kinds have alike. */
export interface FileCommon {
  readonly id: number;
  /** As /proc/PID/fdinfo shows them, O_CLOEXEC taken off. */
  readonly flags: number;
  readonly fown: FownEntry;
}

/** How a file is told apart: data, so that the registry can index it and see overlaps. */
export type Signature =
  /** What stands in brackets behind anon_inode: in its link. */
  | { readonly anonInode: string }
  /** Address families of a socket: SO_DOMAIN of socket(7). */
  | { readonly socket: readonly number[] }
  /** `majors`: of a device, Documentation/admin-guide/devices.txt. */
  | { readonly mode: FileMode; readonly link?: RegExp; readonly majors?: readonly number[] };
export type FileMode = "fifo" | "socket" | "regular" | "directory" | "character" | "block" | "symlink";

/**
 * A kind of open file. `Field` is the name under which FileEntry (files.img) carries its entry.
 */
export interface FileKind<Field extends FileField = FileField> {
  readonly support: "full";
  readonly type: keyof typeof FdType;
  readonly field: Field;
  readonly summary: string;
  readonly signatures: readonly Signature[];
  /** What is not carried over, in the user's words; shown in docs/support.md. */
  readonly limits?: readonly string[];
  /** Called once for each open file description. Refuses by throwing StasisError FILE_UNSUPPORTED with the file's subject. */
  collect(file: OpenFile, common: FileCommon, context: DumpContext): FileEntryOf<Field>;
  /** Makes the open file again, in our own process; tasks fetch it from there. Flags that fcntl(F_SETFL) can set and the owner are done by the caller. */
  open(entry: FileEntryOf<Field>, context: RestoreContext): Fd;
  /** As `open` for many at a time, flags and all but the owner. Undefined where `open` is to do it, or to say why it cannot. */
  openMany?(entries: readonly FileEntryOf<Field>[], context: RestoreContext): readonly (Fd | undefined)[];
  /** Before anything is created: throws StasisError when the file cannot come back. */
  validate?(entry: FileEntryOf<Field>, context: RestoreContext): void;
  /** When all files are known to be able to come back, before any task exists: what wants their pids to be free. */
  prepare?(entry: FileEntryOf<Field>, context: RestoreContext): void;
  /** Opened when every task has its threads and its other descriptors: it names some of them. */
  isLate?(entry: FileEntryOf<Field>): boolean;
  /** When every task has all its descriptors: what the kernel ties to numbers of theirs. */
  settle?(entry: FileEntryOf<Field>, tables: readonly RestoredTable[], context: RestoreContext): void;
}

/** A descriptor table of the tree, complete. */
export interface RestoredTable {
  /** One of the threads that have it. */
  readonly thread: RestoredThread;
  /** File ids by descriptor. */
  readonly ids: ReadonlyMap<number, number>;
  /** Calls `use` with another descriptor for a file, which is closed again afterwards. */
  borrowing<T>(fileId: number, use: (fd: TargetFd) => T): T;
}
export type FileEntryOf<Field extends FileField> = NonNullable<FileEntry[Field]>;
/** The message fields of FileEntry. */
export type FileField = Exclude<keyof FileEntry, "type" | "id" | `$${string}`>;

/** A kind that cannot be dumped yet: named, so that it is refused by name. */
export interface RefusedKind {
  readonly support: "refused";
  /** Absent: the image format has no name for it. */
  readonly type?: keyof typeof FdType;
  readonly signatures: readonly Signature[];
  readonly summary: string;
  readonly remedy: string;
}

/** A process on its way back to life; all its threads are stopped in the stub. */
export interface RestoredProcess {
  readonly pid: Pid;
  readonly comm: string;
  readonly memory: TargetMemory;
  readonly core: CoreEntry;
  readonly leader: RestoredThread;
  readonly threads: readonly RestoredThread[];
}

export interface RestoredThread {
  readonly process: RestoredProcess;
  readonly tracee: Tracee;
  readonly isLeader: boolean;
  readonly inside: Inside;
  readonly core: CoreEntry;
}

/** What every kind may use on a restore. */
export interface RestoreContext {
  readonly images: ImageDirectory;
  readonly log: Log;
  readonly options: RestoreOptions;
  /** What inventory.img says of the dump. */
  readonly inventory: { readonly networkLock: number; readonly runId: string };
  readonly files: RestoredFiles;
  /** Gives the client the master of a terminal that had none in the tree; false: it does not want it. Absent: nobody can be given anything. */
  readonly giveTerminal?: (master: Fd) => boolean;
  /** Descriptors of the client that take the place of dumped files, by the key of --inherit-fd. */
  readonly inherited: ReadonlyMap<string, Fd>;
  /** What kinds keep for the length of the restore, each under its own name; given back at its end, failed or not. */
  readonly scope: Scope;
  /** The one object of type T that belongs to this restore: made on first use. */
  once<T extends object>(make: new (context: RestoreContext) => T): T;
}

export interface RestoredFiles {
  /** Our descriptor for a file id: opened on first use. Throws StasisError when the image does not have it. */
  fd(id: number): Fd;
  entry(id: number): FileEntry;
  /** The entry that tells the path of a file of another kind. Throws StasisError: it is none. */
  path(id: number): RegFileEntry;
  all(): Iterable<FileEntry>;
}

/** State of one process or thread. */
export interface TaskPart {
  readonly name: string;
  readonly of: "process" | "thread";
  /**
   * When it is put back. early: right after the task exists; with-files: its descriptors are in place; after-memory: its
   * memory has its contents; credentials: the last thing that needs our rights; last: after credentials, before it runs.
   */
  readonly stage: Stage;
  /** A leader that has ended still has it, and others see it. */
  readonly outlives?: true;
  /** What is not carried over, in the user's words. */
  readonly limits?: readonly string[];
  /** Calls whose outcome `collect` looks at: all are made together before. */
  readonly asks?: readonly Question<unknown>[];
  /** Fills in its fields of the thread's core image (`core.tc` is the leader's only). */
  collect(thread: DumpedThread, core: CoreEntry, context: DumpContext): void;
  /** Before anything is created: throws StasisError when what the image says cannot be put back. */
  validate?(core: CoreEntry, context: RestoreContext): void;
  apply(thread: RestoredThread, core: CoreEntry, context: RestoreContext): void;
}
export const stages = ["early", "with-files", "after-memory", "credentials", "last"] as const;
export type Stage = (typeof stages)[number];
