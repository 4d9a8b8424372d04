// The memory of a collected tree, into pages-N.img. When the tree is to run on, it waits only for a fork of each process: a deputy with a copy;
// of a small process it waits for the memory itself.

import type { ImageDirectory } from "../images/directory.js";
import { PagesWriter } from "../images/pages/write.js";
import { O } from "../kernel/abi/fcntl.js";
import { PAGE_SIZE } from "../kernel/abi/mman.js";
import { AT_FDCWD, type Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { own } from "../kernel/own-fd.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import { Meter } from "../report/progress.js";
import { SetAside } from "../resources/memory/aside.js";
import type { PackedVmas, SavedVma } from "../resources/memory/packed-vmas.js";
import { type PageRange, type PageSource, pagesToSave, savePages } from "../resources/memory/pages.js";
import { type Deputy, makeDeputy } from "../tracee/deputy.js";
import type { Entered } from "../tracee/entered.js";
import { PagePipes } from "../tracee/page-pipes.js";
import type { Tracee } from "../tracee/tracee.js";
import type { Collected, CollectedTree } from "./collect.js";
import type { DumpRequest } from "./requests.js";

interface Copy {
  readonly deputy: Deputy;
  readonly aside: SetAside;
}

/** From here on pipes are worth their making, and a deputy of a process that stays frozen is worth its clone. */
const MUCH_BYTES = 4 << 20;
/** Up to here memory is read sooner than a deputy is made. */
const FEW_BYTES = 2 << 20;

export class SavedMemory implements Disposable {
  readonly #scope = new Scope();
  readonly #copies = new Map<Collected, Copy>();
  readonly #meter: Meter;
  #lastPagesId = 0;
  pagesWritten = 0n;
  sharedPagesWritten = 0n;

  constructor(
    readonly tree: CollectedTree,
    readonly images: ImageDirectory,
    readonly request: DumpRequest,
  ) {
    this.#meter = new Meter("dump", request.progress);
    for (const { ownBytes } of tree.collected) this.#meter.expect(ownBytes);
  }

  /** A copy of every process with much memory. False: not possible here, the tree must stay frozen while its memory is written. */
  copyProcesses(): boolean {
    const large = this.tree.collected.filter(({ ownBytes }) => ownBytes > FEW_BYTES);
    if (large.length > 0 && this.#obstacle !== undefined) return this.#noCopies(this.#obstacle);
    return large.every((collected) => this.#copyProcess(collected));
  }

  #copyProcess(collected: Collected): boolean {
    const { threads, memory, foothold, vmas, pagemap } = collected;
    const [leader] = threads;
    const aside = SetAside.read(vmas, pagemap, memory);
    if (leader === undefined || aside === undefined)
      return this.#noCopies("too much memory that a fork does not inherit");
    using inside = foothold.enter(leader);
    try {
      this.#copies.set(collected, { deputy: this.#scope.use(makeDeputy(inside, "copied")), aside });
      return true;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return this.#noCopies(error.message);
    }
  }

  /** What stands against a deputy. */
  get #obstacle(): string | undefined {
    const { collected } = this.tree;
    // The deputy would become its child, and so be seen by its wait(2).
    if (collected.some(({ isSubreaper }) => isSubreaper)) return "a process is a child subreaper";
    return collected.some(({ isConfined }) => isConfined) ? "a seccomp filter would judge the clone" : undefined;
  }

  #noCopies(reason: string): false {
    this.request.log.warn(`no copy of the memory (${reason}): the tree stays frozen while its memory is written`);
    this.#copies.clear();
    return false;
  }

  /** A copy does not have shared memory: it is saved while the tree is frozen. */
  saveShared(): void {
    this.sharedPagesWritten = this.tree.shared.save(this.images, () => this.#nextPagesId());
    this.#meter.expect(Number(this.sharedPagesWritten * PAGE_SIZE));
    this.#meter.moved(Number(this.sharedPagesWritten * PAGE_SIZE));
  }

  /** Of the processes of which there is no copy. */
  saveFrozen(): void {
    for (const collected of this.tree.collected) if (!this.#copies.has(collected)) this.#saveFrozen(collected);
  }

  /** From the copies: the tree may run. */
  saveCopies(): void {
    for (const { deputy } of this.#copies.values()) deputy.settle();
    for (const [collected, copy] of this.#copies) this.#saveCopy(collected, copy);
    this.#meter.finish();
  }

  #saveCopy(collected: Collected, { deputy, aside }: Copy): void {
    const { inside } = deputy;
    using pagemap = own(sys.openat(AT_FDCWD, `/proc/${inside.tracee.pid}/pagemap`, O.O_CLOEXEC, 0));
    using pipes = hasMuch(collected) ? PagePipes.open(inside) : undefined;
    this.#save(collected, pagemap.fd, { memory: inside.memory, aside, pipes });
  }

  #saveFrozen(collected: Collected): void {
    const { memory, pagemap } = collected;
    const [leader] = collected.threads;
    if (leader !== undefined && hasMuch(collected) && this.#obstacle === undefined)
      this.#saveByDeputy(collected, leader);
    else this.#save(collected, pagemap, { memory });
  }

  #saveByDeputy(collected: Collected, leader: Tracee): void {
    const { memory, pagemap, foothold } = collected;
    using inside = foothold.enter(leader);
    using deputy = this.#deputyOf(inside);
    using pipes = deputy && PagePipes.open(deputy.inside);
    this.#save(collected, pagemap, { memory, pipes });
  }

  /** Undefined: the kernel does not let the process have another one. */
  #deputyOf(inside: Entered): Deputy | undefined {
    try {
      const deputy = makeDeputy(inside, "shared");
      deputy.settle();
      return deputy;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.request.log.warn(`no deputy (${error.message}): its memory is read by way of a buffer`);
      return undefined;
    }
  }

  #save({ pid, vmas }: Collected, pagemap: Fd, source: PageSource): void {
    using writer = new PagesWriter(this.images, { pagemap: "pagemap", id: pid, pagesId: this.#nextPagesId() });
    this.pagesWritten += savePages(rangesOf(vmas, pagemap, source.aside), { ...source, moved: this.#moved }, writer);
    writer.close();
  }

  readonly #moved = (bytes: number) => this.#meter.moved(bytes);

  #nextPagesId(): number {
    this.#lastPagesId += 1;
    return this.#lastPagesId;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

function* rangesOf(vmas: PackedVmas, pagemap: Fd, aside: SetAside | undefined): Generator<PageRange> {
  let others: SavedVma[] = [];
  for (const vma of vmas) {
    const kept = aside?.rangesOf(vma);
    if (kept === undefined) others.push(vma);
    else {
      yield* pagesToSave(pagemap, others);
      yield* kept;
      others = [];
    }
  }
  yield* pagesToSave(pagemap, others);
}

/** Whether a process has MUCH_BYTES of its own in memory: proc_pid_status(5). */
function hasMuch({ ownBytes }: Collected): boolean {
  return ownBytes >= MUCH_BYTES;
}
