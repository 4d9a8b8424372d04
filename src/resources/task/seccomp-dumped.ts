// The filters of a dump, each once: seccomp.img. A thread names its oldest filter, and each filter the one that was set after it, which
// CRIU calls `prev`: it stands before it in the image.
import { create } from "@bufbuild/protobuf";
import { SeccompEntrySchema, type SeccompFilter, SeccompFilterSchema } from "../../images/format/entries.js";
import {
  BPF,
  SECCOMP_FILTER_FLAG,
  SECCOMP_RET_ACTION_FULL,
  SECCOMP_RET_USER_NOTIF,
  sock_filter,
} from "../../kernel/abi/seccomp.js";
import type { Pid } from "../../kernel/brand.js";
import { StasisError } from "../../report/error.js";
import type { SeccompProgram, Tracee } from "../../tracee/tracee.js";
import type { DumpContext, DumpedProcess, DumpedThread } from "../kind.js";

/** The filters of a thread, the oldest first. */
type Chain = readonly SeccompProgram[];
interface Chains {
  readonly pid: Pid;
  readonly of: ReadonlyMap<Pid, Chain>;
  /** Every thread has the same. */
  readonly alike: boolean;
}

const { SECCOMP_FILTER_FLAG_TSYNC } = SECCOMP_FILTER_FLAG;

export class DumpedFilters {
  readonly #entries: SeccompFilter[] = [];
  readonly #places = new Map<string, number>();
  #latest: Chains | undefined;

  constructor(private readonly context: DumpContext) {}

  /**
   * The place of the thread's oldest filter in the image. CRIU's way for threads with the same filters: the first thread has them, marked
   * with TSYNC, and gives them to the others (undefined), so that the program can go on to set filters for all.
   */
  firstOf({ process, tracee }: DumpedThread): number | undefined {
    const chains = this.#chainsOf(process);
    const [first] = process.threads;
    if (chains.alike && tracee.tid !== first?.tid) return undefined;
    let place: number | undefined;
    for (const { bytes, flags } of chains.of.get(tracee.tid)?.toReversed() ?? [])
      place = this.#place(bytes, chains.alike ? flags | SECCOMP_FILTER_FLAG_TSYNC : flags, place);
    return place;
  }

  write(): void {
    const { images } = this.context;
    images.writeLater("seccomp", undefined, [create(SeccompEntrySchema, { seccompFilters: this.#entries })]);
  }

  #chainsOf(process: DumpedProcess): Chains {
    if (this.#latest?.pid === process.pid) return this.#latest;
    const of = new Map(process.threads.map((thread) => [thread.tid, chainOf(thread)]));
    const [first = [], ...others] = of.values();
    this.#latest = { pid: process.pid, of, alike: others.every((chain) => isSame(chain, first)) };
    return this.#latest;
  }

  #place(filter: Uint8Array, flags: number, next: number | undefined): number {
    const key = `${next} ${flags} ${Buffer.from(filter).toString("latin1")}`;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const entry = create(SeccompFilterSchema, { filter, flags });
    if (next !== undefined) entry.prev = next;
    this.#places.set(key, this.#entries.length);
    return this.#entries.push(entry) - 1;
  }
}

function chainOf(thread: Tracee): Chain {
  const chain = thread.seccompPrograms();
  if (chain.some(({ bytes }) => mayAskListener(bytes))) throw asksListener(thread);
  return chain;
}

function isSame(one: Chain, other: Chain): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ bytes, flags }, index) => {
    const counterpart = other[index];
    return counterpart?.flags === flags && Buffer.compare(bytes, counterpart.bytes) === 0;
  });
}

/** Nobody tells whether a filter has a listener; one that never returns that action needs none. A computed action may be any. */
export function mayAskListener(program: Uint8Array): boolean {
  for (let at = 0; at < program.byteLength; at += sock_filter.sizeBytes) {
    const { code, k } = sock_filter.decode(program.subarray(at));
    if ((code & BPF.CLASS) !== BPF.RET) continue;
    const isConstant = (code & BPF.RVAL) === BPF.K;
    if (!isConstant || (k & SECCOMP_RET_ACTION_FULL) >>> 0 === SECCOMP_RET_USER_NOTIF) return true;
  }
  return false;
}

function asksListener({ pid, tid, comm }: Tracee): StasisError {
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `a seccomp filter of its thread ${tid} asks a listener (SECCOMP_RET_USER_NOTIF), and the listener cannot be made again`,
    remedy: "run it without that filter, or leave the filters out (no_seccomp)",
  });
}
