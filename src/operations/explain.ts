// What a dump of a tree would contain, how large it would be and what would stop it, asked of the same modules as a dump, while the tree runs
// on: nothing is stopped, changed or waited for. What only a stopped thread shows is not seen here.
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../images/directory.js";
import { InventoryEntrySchema, type VmaEntry } from "../images/format/entries.js";
import { ImageVersion } from "../images/format/numbers.js";
import { O } from "../kernel/abi/fcntl.js";
import { AT_FDCWD, asPid, type Pid } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { memoryDirectory } from "../kernel/memory-directory.js";
import { own } from "../kernel/own-fd.js";
import { readMappings } from "../kernel/proc/maps.js";
import { readStat } from "../kernel/proc/stat.js";
import { readStatus } from "../kernel/proc/status.js";
import { listChildren, listThreads } from "../kernel/proc/tasks.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import type { DumpOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { BpfMaps } from "../resources/files/bpf-map.js";
import { EpollWatches } from "../resources/files/epoll.js";
import { Fifos } from "../resources/files/fifo.js";
import { FileLocks } from "../resources/files/locks.js";
import { Memfds } from "../resources/files/memfd.js";
import { Pipes } from "../resources/files/pipe.js";
import { Ghosts } from "../resources/files/regular/ghost.js";
import { UnixSockets } from "../resources/files/sockets/unix.js";
import { FileTable } from "../resources/files/table.js";
import { Terminals } from "../resources/files/tty/terminals.js";
import type { DumpContext, DumpedProcess } from "../resources/kind.js";
import { collectMappings, supportedMappings } from "../resources/memory/mappings.js";
import { pagesToSave } from "../resources/memory/pages.js";
import { SharedMemory } from "../resources/memory/shared.js";
import { Segments } from "../resources/memory/shm.js";
import { onceFor } from "../resources/once.js";
import { Cgroups } from "../resources/tree/cgroups.js";
import { collectFilesystem } from "../resources/tree/filesystem.js";
import { Identities } from "../resources/tree/identities.js";
import { refuseEngine, refuseRoot, refuseTraced, type Zombie } from "../tracee/freeze.js";
import { TargetMemory } from "../tracee/memory.js";
import { refuseSession } from "./collect.js";
import { type ExplainedFiles, type ExplainedSocket, filesOf, socketsOf } from "./explained-files.js";

export interface ExplainedTask {
  readonly pid: number;
  readonly comm: string;
  readonly state: "alive" | "zombie";
  readonly threads: number;
  readonly descriptors: number;
  /** Memory of its own that would go into the images. */
  readonly memoryBytes: number;
}
export interface Explanation {
  readonly tasks: readonly ExplainedTask[];
  readonly files: readonly ExplainedFiles[];
  readonly sockets: readonly ExplainedSocket[];
  readonly sharedMemoryBytes: number;
  /** Of all images together, about. */
  readonly imageBytes: number;
  /** The sentences with which a dump would be refused; a dump says the first one that it meets. */
  readonly obstacles: readonly string[];
}

/** core-N.img of one thread, with its floating-point state. */
const THREAD_BYTES = 3500;

/** @throws StasisError when there is no such tree */
export function explainTree(options: DumpOptions, log: DumpContext["log"]): Explanation {
  const root = asPid(options.pid);
  refuseRoot(root);
  using looking = new Looking(options, log);
  looking.all(root);
  return looking.result();
}

class Looking implements Disposable {
  readonly #scope = new Scope();
  readonly #obstacles = new Map<string, StasisError>();
  readonly #tasks: ExplainedTask[] = [];
  readonly #living: DumpedProcess[] = [];
  readonly #zombies: Zombie[] = [];
  readonly #engine = asPid(process.pid);
  readonly #identities = new Identities(this.#engine);
  readonly #cgroups = new Cgroups(this.#engine);
  readonly #files: FileTable;
  readonly #context: DumpContext;
  readonly #shared = this.#scope.use(new SharedMemory());
  readonly #images = this.#scope.use(memoryDirectory());

  constructor(options: DumpOptions, log: DumpContext["log"]) {
    this.#files = new FileTable(() => this.#context);
    this.#context = {
      images: ImageDirectory.create(this.#images.fd),
      log,
      options,
      runId: "",
      files: this.#files,
      shared: this.#shared,
      once: onceFor<DumpContext>(() => this.#context),
      scope: this.#scope,
      serviceSocket: undefined,
      isRunning: true,
      attempt: (act) => this.#attempt(act),
    };
  }

  /** What was there a moment ago may be gone: that is no obstacle. */
  #attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (error instanceof StasisError) this.#obstacles.set(error.message, error);
      else if (!(error instanceof SyscallError && GONE.has(error.errno))) throw error;
      return undefined;
    }
  }

  all(root: Pid): void {
    this.#attempt(() => {
      const stat = readStat(root);
      if (stat !== undefined) refuseSession({ ...stat, pid: root }, this.#context.options);
    });
    this.#walk(root);
    const { once, images } = this.#context;
    const finishing = [
      () => once(UnixSockets).check(),
      () => once(EpollWatches).find(),
      () => this.#files.write(),
      () => once(Memfds).write(),
      () => once(Segments).write(this.#identities.own.ipcNsId),
      () => once(Ghosts).write(),
      () => once(Pipes).write(),
      () => once(Fifos).write(),
      () => once(BpfMaps).write(),
      () => once(FileLocks).write(),
      () => once(Terminals).write([...this.#living, ...this.#zombies]),
    ];
    for (const step of finishing) this.#attempt(step);
    images.commit(create(InventoryEntrySchema, { imgVersion: ImageVersion.V1_1 }), { durable: false });
  }

  #walk(pid: Pid): void {
    const stat = readStat(pid);
    if (stat === undefined) return;
    if (pid === this.#engine) this.#attempt(() => refuseEngine(asPid(this.#context.options.pid), pid));
    if (pid === this.#engine) return;
    const { comm } = stat;
    if (stat.state === "Z" && stat.numThreads <= 1) {
      this.#zombies.push({ state: "zombie", pid, comm, stat });
      this.#tasks.push({ pid, comm, state: "zombie", threads: 0, descriptors: 0, memoryBytes: 0 });
      return;
    }
    this.#attempt(() => this.#look(pid));
    for (const child of listChildren(pid)) this.#walk(child);
  }

  #look(pid: Pid): void {
    const stat = readStat(pid);
    const status = readStatus(pid);
    if (stat === undefined || status === undefined) return;
    this.#attempt(() => refuseTraced(pid, stat.comm, status));
    const process = this.#process(pid, stat, status);
    this.#living.push(process);
    const threads = listThreads(pid).map((tid) => ({ tid }));
    if (this.#context.options.cgroups === "refuse")
      this.#attempt(() => this.#cgroups.check({ pid, comm: stat.comm, threads }));
    const ids = this.#attempt(() => this.#identities.of(process));
    this.#attempt(() => collectFilesystem(process, this.#context));
    const descriptors = this.#files.collectDescriptors(process, ids?.filesId ?? -pid);
    const memoryBytes = this.#memoryOf(process);
    this.#tasks.push({ pid, comm: stat.comm, state: "alive", threads: threads.length, descriptors, memoryBytes });
  }

  #process(pid: Pid, stat: DumpedProcess["stat"], status: DumpedProcess["status"]): DumpedProcess {
    const { comm } = stat;
    const memory = this.#scope.use(new TargetMemory(pid));
    const pidfd = this.#scope.use(own(sys.pidfd_open(pid, 0))).fd;
    return { pid, comm, stat, status, memory, pidfd, mappings: readMappings(pid), threads: [], living: pid };
  }

  #memoryOf(process: DumpedProcess): number {
    using pagemap = own(sys.openat(AT_FDCWD, `/proc/${process.pid}/pagemap`, O.O_CLOEXEC, 0));
    const mappings = supportedMappings(process, this.#context);
    const vmas: VmaEntry[] = collectMappings({ ...process, mappings }, pagemap.fd, this.#context);
    let bytes = 0n;
    for (const { start, end } of pagesToSave(pagemap.fd, vmas)) bytes += end - start;
    this.#pagemapBytes += vmas.length * VMA_BYTES;
    return Number(bytes);
  }
  #pagemapBytes = 0;

  result(): Explanation {
    const memory = this.#tasks.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    const threads = this.#tasks.reduce((sum, task) => sum + task.threads, 0);
    const sharedMemoryBytes = Number(this.#shared.dataBytes());
    const written = this.#context.images.sizeBytes() + this.#pagemapBytes + threads * THREAD_BYTES;
    const { entries } = this.#files;
    return {
      tasks: this.#tasks,
      files: filesOf(entries),
      sockets: socketsOf(entries),
      sharedMemoryBytes,
      imageBytes: written + this.#context.once(Ghosts).leftOutBytes + memory + sharedMemoryBytes,
      obstacles: [...this.#obstacles.keys()],
    };
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

/** An entry of mm.img, and what pagemap.img says of its pages. */
const VMA_BYTES = 80;
const GONE = new Set(["ESRCH", "EBADF", "ENOENT"]);
