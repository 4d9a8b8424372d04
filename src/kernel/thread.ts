// A thread of ours that goes through a list of calls while we go on: clone(2), CLONE_THREAD. It ends with us, whatever ends us.
import { availableParallelism } from "node:os";
import { CLONE } from "./abi/process.js";
import { addressOf } from "./call.js";
import { ENTRY_BYTES } from "./call-list.js";
import { SyscallError, unless } from "./errno.js";
import { cloneForList, runList } from "./list-code.js";
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

/**
 * Begins to make the calls of a list, in order, whatever each returns; result: waits until they are made. It has to be called: list and
 * arguments are kept until then. Without a second processor or thread they are made at once.
 */
export function beginList(list: Uint8Array): () => void {
  const tid = new Int32Array(1);
  if (availableParallelism() > 1 && start(list, tid)) return () => join(tid);
  runList(addressOf(list), list.byteLength / ENTRY_BYTES);
  return () => {};
}

/** `tid`: the kernel sets it before we go on, and clears it when the thread has ended. */
function start(list: Uint8Array, tid: Int32Array): boolean {
  const word = addressOf(new Uint8Array(tid.buffer));
  try {
    cloneForList(list, THREAD, { parent_tid: word, child_tid: word });
    return true;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return false;
  }
}

/** As pthread_join(3). */
function join(tid: Int32Array): void {
  const word = new Uint8Array(tid.buffer);
  // EAGAIN: it has ended meanwhile.
  for (let left = Atomics.load(tid, 0); left !== 0; left = Atomics.load(tid, 0))
    unless(["EAGAIN", "EINTR"], () => sys.futex(word, FUTEX_WAIT, left, null));
}
