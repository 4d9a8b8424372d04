// Lists of calls that are made by processes which share our memory but not our end.
//
// runApart: the process has our descriptors too (CLONE_FILES), and we wait for it (CLONE_VFORK); should we be killed meanwhile it goes on, shares the
// memory with nobody then, and finishes the list. For what may not be left half-done.
import { CLONE, W } from "./abi/process.js";
import { SCHED_FIFO, sched_attr } from "./abi/sched.js";
import { SIG } from "./abi/signal.js";
import { type PreparedCall, prepared, release } from "./batch.js";
import { asPid, type Pid } from "./brand.js";
import { addressOf } from "./call.js";
import { CallList, decodeResults } from "./call-list.js";
import { cloneForLists, SharedLists } from "./list-code.js";
import { sys } from "./syscalls.js";

/**
 * As runTogether, and certain to be done to the end even when we are killed. `wanted`: by a process with this pid. Throws SyscallError of clone3(2):
 * EEXIST when another process has that pid, EPERM when we may not choose one.
 */
export function runApart(calls: readonly PreparedCall[], wanted?: Pid): bigint[] {
  if (calls.length === 0) return [];
  const all = [prepared.sched_setattr(asPid(0), AT_ONCE, 0), ...calls];
  const list = CallList.of(all).bytes;
  const tids = new Uint8Array(Int32Array.of(wanted ?? 0).buffer);
  const choice = wanted === undefined ? {} : { set_tid: addressOf(tids), set_tid_size: 1n };
  const pid = cloneForLists(listOf(all.length, list), CLONE.CLONE_VM | CLONE.CLONE_FILES | CLONE.CLONE_VFORK, choice);
  sys.wait4(asPid(pid), null, W.__WALL, null);
  release(all);
  return decodeResults(list).slice(1);
}

const listOf = (count: number, list: Uint8Array) => new SharedLists([{ at: addressOf(list), count }]);

/** Calls that a process beside us makes, with our memory and copies of our descriptors, while we go on. What they return is nobody's concern. */
export class Beside {
  readonly #list: Uint8Array;
  readonly #work: SharedLists;
  readonly #pid: Pid;
  /** What the arguments are in: less than the calls themselves, of which there may be thousands. */
  readonly #kept: Set<ArrayBufferLike>;

  /** Throws SyscallError: there can be no other process. */
  constructor(calls: readonly PreparedCall[]) {
    this.#list = CallList.of(calls).bytes;
    this.#work = listOf(calls.length, this.#list);
    this.#kept = new Set(calls.flatMap(({ kept }) => kept.map(({ buffer }) => buffer)));
    this.#pid = asPid(cloneForLists(this.#work, CLONE.CLONE_VM));
  }

  /** Ends it, whether all of them are made or not. */
  end(): void {
    sys.kill(this.#pid, SIG.SIGKILL);
    sys.wait4(this.#pid, null, W.__WALL, null);
    this.#list.fill(0);
    this.#kept.clear();
  }
}

/**
 * Before any program that is not under a real-time policy: those that we traced run on as soon as we are dead, and are not to see the list
 * half-done. Where that is not allowed (CAP_SYS_NICE), it is done a little later.
 */
const AT_ONCE = sched_attr.encode({
  size: sched_attr.sizeBytes,
  sched_policy: SCHED_FIFO,
  sched_flags: 0n,
  sched_nice: 0,
  sched_priority: 1,
  sched_runtime: 0n,
  sched_deadline: 0n,
  sched_period: 0n,
  sched_util_min: 0,
  sched_util_max: 0,
});
