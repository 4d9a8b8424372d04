// Filters from seccomp.img, installed in the threads that had them.
import { isFieldSet } from "@bufbuild/protobuf";
import { type CoreEntry, type SeccompFilter, SeccompFilterSchema, SeccompMode } from "../../images/format/entries.js";
import {
  BPF_MAXINSNS,
  SECCOMP_FILTER_FLAG,
  SECCOMP_SET_MODE_FILTER,
  sock_filter,
  sock_fprog,
} from "../../kernel/abi/seccomp.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import type { RestoreContext, RestoredProcess, RestoredThread } from "../kind.js";

/** The oldest first. */
type Chain = readonly SeccompFilter[];
const { SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW } = SECCOMP_FILTER_FLAG;
const KNOWN_FLAGS = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

/** CRIU before 2.12 said it of the process. */
export function seccompModeOf({ threadCore, tc }: CoreEntry): SeccompMode {
  return threadCore?.seccompMode || tc?.oldSeccompMode || SeccompMode.disabled;
}

export class RestoredFilters {
  readonly #filters: Chain;

  constructor({ images }: RestoreContext) {
    this.#filters = images.has("seccomp", undefined)
      ? images.read("seccomp", undefined).flatMap(({ seccompFilters }) => seccompFilters)
      : [];
    for (const [place, filter] of this.#filters.entries()) checkFilter(filter, place);
  }

  /** Throws StasisError when the thread's filters are not in the image. */
  check(core: CoreEntry): void {
    this.#chainOf(core);
  }

  /**
   * What the threads have in common from the oldest filter on is set by the first thread for all of them (TSYNC), and so shared: as it was
   * when the program did the same, or set it before it had threads. The rest each thread sets for itself.
   */
  install({ process, tracee, inside }: RestoredThread): void {
    const chains = new Map(process.threads.map((thread) => [thread.tracee.tid, this.#effective(process, thread.core)]));
    const own = chains.get(tracee.tid) ?? [];
    const common = process.threads.length > 1 ? commonLength([...chains.values()]) : 0;
    const isFirst = process.threads[0]?.tracee.tid === tracee.tid;
    if (own.length === 0) return;
    // TSYNC gives the others filters that must not judge our calls either.
    if (isFirst) for (const thread of process.threads) thread.tracee.suspendSeccomp();
    else tracee.suspendSeccomp();
    for (const [index, { filter, flags }] of own.entries()) {
      const plain = flags & ~SECCOMP_FILTER_FLAG_TSYNC;
      if (index >= common) set(inside, filter, plain);
      else if (isFirst) set(inside, filter, plain | SECCOMP_FILTER_FLAG_TSYNC);
    }
  }

  /** A thread without filters of its own has those that the first thread's image marks as set for all. */
  #effective({ leader }: RestoredProcess, core: CoreEntry): Chain {
    const own = this.#chainOf(core);
    if (own.length > 0) return own;
    const isOld = leader.core.threadCore?.seccompMode === SeccompMode.disabled;
    return this.#chainOf(leader.core).filter(({ flags }) => isOld || (flags & SECCOMP_FILTER_FLAG_TSYNC) !== 0);
  }

  #chainOf(core: CoreEntry): Chain {
    if (seccompModeOf(core) !== SeccompMode.filter) return [];
    const { threadCore, tc } = core;
    const isOfThread = threadCore?.seccompMode === SeccompMode.filter;
    const chain: SeccompFilter[] = [];
    let place = isOfThread ? threadCore.seccompFilter : tc?.oldSeccompFilter;
    while (place !== undefined) {
      const filter = this.#filters[place];
      if (filter === undefined) throw invalid(`there is no filter ${place}, which a thread has`);
      chain.push(filter);
      place = hasNext(filter) ? filter.prev : undefined;
    }
    return chain;
  }
}

/** What the image calls the previous one is set after it: seccomp-dumped.ts. */
const hasNext = (filter: SeccompFilter) => isFieldSet(filter, SeccompFilterSchema.field.prev);

/** Also that each goes on with one that stands before it: no chain goes round. */
function checkFilter(entry: SeccompFilter, place: number): void {
  const { filter, flags, prev } = entry;
  const count = filter.byteLength / sock_filter.sizeBytes;
  if (!Number.isInteger(count) || count < 1 || count > BPF_MAXINSNS)
    throw invalid(`filter ${place} has ${filter.byteLength} bytes`);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw invalid(`filter ${place} has the flags 0x${flags.toString(16)}`);
  if (hasNext(entry) && prev >= place)
    throw invalid(`filter ${place} goes on with ${prev}, which does not come before it`);
}

function commonLength([first = [], ...others]: readonly Chain[]): number {
  const differs = first.findIndex((filter, index) => !others.every((chain) => isSame(filter, chain[index])));
  return differs === -1 ? first.length : differs;
}

function isSame(one: SeccompFilter, other: SeccompFilter | undefined): boolean {
  if (other === undefined || (one.flags | SECCOMP_FILTER_FLAG_TSYNC) !== (other.flags | SECCOMP_FILTER_FLAG_TSYNC))
    return false;
  return Buffer.compare(one.filter, other.filter) === 0;
}

function set(inside: Inside, filter: Uint8Array, flags: number): void {
  using program = inside.holding(filter);
  using head = inside.holding(
    sock_fprog.encode({ len: filter.byteLength / sock_filter.sizeBytes, filter: program.at }),
  );
  inside.sys.seccomp(SECCOMP_SET_MODE_FILTER, flags, head.at);
}

function invalid(reason: string): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "seccomp.img" },
    reason,
  });
}
