// The memory of a collected tree, into pages-N.img. When the tree is to run on, it waits only for a fork of each process.

import type { ImageDirectory } from "../images/directory.js";
import type { MmEntry } from "../images/format/entries.js";
import { PagesWriter } from "../images/pages/write.js";
import { O } from "../kernel/abi/fcntl.js";
import { SECCOMP_MODE } from "../kernel/abi/seccomp.js";
import { AT_FDCWD, type Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { own } from "../kernel/own-fd.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import { SetAside } from "../resources/memory/aside.js";
import { type PageRange, type PageSource, pagesToSave, savePages } from "../resources/memory/pages.js";
import { TargetMemory } from "../tracee/memory.js";
import { type Snapshot, takeSnapshot } from "../tracee/snapshot.js";
import type { Collected, CollectedTree } from "./collect.js";
import type { DumpRequest } from "./requests.js";

interface Copy {
  readonly snapshot: Snapshot;
  readonly aside: SetAside;
}

export class SavedMemory implements Disposable {
  readonly #scope = new Scope();
  readonly #copies = new Map<Collected, Copy>();
  #lastPagesId = 0;
  pagesWritten = 0n;
  sharedPagesWritten = 0n;

  constructor(
    readonly tree: CollectedTree,
    readonly images: ImageDirectory,
    readonly request: DumpRequest,
  ) {}

  /** A copy of every process. False: not possible here, the tree must stay frozen while its memory is written. */
  takeSnapshots(): boolean {
    // The copy would become a child of the subreaper, and so be seen by its wait(2).
    if (this.tree.collected.some(({ core }) => core.tc?.childSubreaper === true)) return false;
    // Nor may a filter judge the clone.
    if (this.tree.collected.some(({ process }) => process.status.seccomp !== SECCOMP_MODE.DISABLED)) return false;
    return this.tree.collected.every((collected) => this.#takeSnapshot(collected));
  }

  #takeSnapshot(collected: Collected): boolean {
    const { process, foothold, mm, pagemap } = collected;
    const [leader] = process.threads;
    const aside = SetAside.read(mm, pagemap, process.memory);
    if (leader === undefined || aside === undefined)
      return this.#noSnapshot("too much memory that a fork does not inherit");
    using inside = foothold.enter(leader);
    try {
      this.#copies.set(collected, { snapshot: this.#scope.use(takeSnapshot(inside)), aside });
      return true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return this.#noSnapshot(error.message);
    }
  }

  #noSnapshot(reason: string): false {
    this.request.log.warn(`no snapshot (${reason}): the tree stays frozen while its memory is written`);
    this.#copies.clear();
    return false;
  }

  /** Shared memory is not part of a snapshot: it is saved while the tree is frozen. */
  saveShared(): void {
    this.sharedPagesWritten = this.tree.shared.save(this.images, () => this.#nextPagesId());
  }

  /** From the snapshots where there are any, else from the processes themselves. */
  savePrivate(): void {
    for (const collected of this.tree.collected) {
      const copy = this.#copies.get(collected);
      if (copy === undefined) this.#save(collected, collected.pagemap, this.#directSource(collected));
      else this.#saveCopy(collected, copy);
    }
  }

  #saveCopy(collected: Collected, { snapshot, aside }: Copy): void {
    using memory = new TargetMemory(snapshot.pid);
    using pagemap = own(sys.openat(AT_FDCWD, `/proc/${snapshot.pid}/pagemap`, O.O_CLOEXEC, 0));
    this.#save(collected, pagemap.fd, { by: "mem", memory, aside }, aside);
  }

  /** Read quickly where nobody can share the pages: a process alone, which is about to be killed. */
  #directSource({ process }: Collected): PageSource {
    const killed = this.request.options.finalState === "kill";
    return killed && this.tree.collected.length === 1
      ? { by: "process_vm_readv", pid: process.pid }
      : { by: "mem", memory: process.memory };
  }

  #save({ process, mm }: Collected, pagemap: Fd, source: PageSource, aside?: SetAside): void {
    using writer = new PagesWriter(this.images, { pagemap: "pagemap", id: process.pid, pagesId: this.#nextPagesId() });
    this.pagesWritten += savePages(rangesOf(mm, pagemap, aside), source, writer);
    writer.close();
  }

  #nextPagesId(): number {
    this.#lastPagesId += 1;
    return this.#lastPagesId;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

function* rangesOf(mm: MmEntry, pagemap: Fd, aside: SetAside | undefined): Generator<PageRange> {
  for (const vma of mm.vmas) yield* aside?.rangesOf(vma) ?? pagesToSave(pagemap, vma);
}
