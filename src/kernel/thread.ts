// A thread of ours that goes through lists of calls beside us: clone(2), CLONE_THREAD. It ends with us, whatever ends us.
import { availableParallelism } from "node:os";
import { CLONE } from "./abi/process.js";
import { addressOf } from "./call.js";
import { SyscallError, unless } from "./errno.js";
import { cloneForLists, type ListAt, SharedLists } from "./list-code.js";
import { sys } from "./syscalls.js";

/** As pthread_create(3), but for the stack and the thread-local storage, of which machine code has no need. */
const THREAD =
  CLONE.CLONE_VM |
  CLONE.CLONE_FS |
  CLONE.CLONE_FILES |
  CLONE.CLONE_SIGHAND |
  CLONE.CLONE_THREAD |
  CLONE.CLONE_SYSVSEM |
  CLONE.CLONE_PARENT_SETTID |
  CLONE.CLONE_CHILD_CLEARTID;
const FUTEX_WAIT = 0;

/** From so many calls on a thread is worth its making: that takes as long as some twenty of them. */
const MANY_CALLS = 128;

/** Lists that are gone through by us and a thread. */
export interface Sharing {
  /** Whether all calls are made. */
  readonly isDone: boolean;
  /** Makes those that are left, and waits for what the thread is at. Has to be called: lists and arguments are kept until then. */
  finish(): void;
}

/**
 * Begins to go through lists, each from its beginning to its end, whatever each call returns. Without a second processor or thread all of it is done
 * by `finish`.
 * @param sleeps they do so most of the time: they are worth a thread however few they are, and however few processors there are
 */
export function share(lists: readonly ListAt[], { sleeps = false } = {}): Sharing {
  const shared = new SharedLists(lists.filter(({ count }) => count > 0));
  const isMany = lists.reduce((sum, { count }) => sum + count, 0) >= MANY_CALLS;
  const tid = sleeps || (isMany && availableParallelism() > 1) ? start(shared) : undefined;
  return {
    get isDone() {
      return shared.areDone;
    },
    finish() {
      shared.run();
      if (tid !== undefined) awaitEnd(shared, tid);
    },
  };
}

/** The kernel sets `tid` before we go on, and clears it when the thread has ended. Undefined: there can be none. */
function start(lists: SharedLists): Int32Array | undefined {
  for (const [last, word] of ending) if (Atomics.load(word, 0) === 0) ending.delete(last);
  const tid = new Int32Array(1);
  const word = addressOf(new Uint8Array(tid.buffer));
  try {
    cloneForLists(lists, THREAD, { parent_tid: word, child_tid: word });
    ending.set(lists, tid);
    return tid;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return undefined;
  }
}
/** What threads look at as long as they are there. */
const ending = new Map<SharedLists, Int32Array>();

/** To sleep, and to be woken, takes longer than most of what is left by then: at first we look again and again. */
const LOOKS = 20_000;

function awaitEnd(lists: SharedLists, tid: Int32Array): void {
  for (let looks = 0; looks < LOOKS; looks++) if (lists.areDone) return;
  join(tid);
}

/** As pthread_join(3). */
function join(tid: Int32Array): void {
  const word = new Uint8Array(tid.buffer);
  // EAGAIN: it has ended meanwhile.
  for (let left = Atomics.load(tid, 0); left !== 0; left = Atomics.load(tid, 0))
    unless(["EAGAIN", "EINTR"], () => sys.futex(word, FUTEX_WAIT, left, null));
}
