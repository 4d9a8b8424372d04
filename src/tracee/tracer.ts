// Who makes the ptrace(2) calls on a thread: we ourselves, or a guardian in our stead (guardian.ts).
import { iovec } from "../kernel/abi/ptrace.js";
import type { Pid } from "../kernel/brand.js";
import { addressOf } from "../kernel/call.js";
import { type Syscalls, sys } from "../kernel/syscalls.js";
import type { Registers } from "./tracee.js";
import { pollFor, type WaitEvent, waitFor } from "./wait.js";

export type PtraceCalls = Pick<typeof sys, Extract<keyof Syscalls, `ptrace${string}`>>;

export interface Tracer {
  readonly sys: PtraceCalls;
  /** Blocks until the thread reports. */
  wait(tid: Pid): WaitEvent;
  /** Undefined: it has nothing to report. */
  poll(tid: Pid): WaitEvent | undefined;
  /** As many bytes as the kernel has, `most` at most. */
  getRegset(tid: Pid, type: number, most: number): Uint8Array;
  setRegset(tid: Pid, type: number, bytes: Uint8Array): void;
  /** From now on the thread may be anywhere: should we die, it shall go on with these. One at a time. */
  guard(tid: Pid, home: { readonly registers: Registers; readonly mask: bigint }): void;
  /** It is where it was. */
  unguard(): void;
  /** Lets go of every thread. */
  end(): void;
}

/** For register sets: memory outside of V8's heap for each of ten thousand has the collector run all the time. */
const scratch = new Uint8Array(16384);

/** A thread that we lose goes home by itself: its signal frame leads there (foothold.ts). */
export const ourselves: Tracer = {
  sys,
  wait: waitFor,
  poll: pollFor,
  getRegset(tid, type, most) {
    const room = most <= scratch.byteLength ? scratch : new Uint8Array(most);
    const vector = iovec.encode({ iov_base: addressOf(room), iov_len: BigInt(most) });
    sys.ptraceGetRegset(tid, type, vector);
    return room.slice(0, Number(iovec.decode(vector).iov_len));
  },
  setRegset(tid, type, bytes) {
    const kept = bytes.slice();
    sys.ptraceSetRegset(tid, type, iovec.encode({ iov_base: addressOf(kept), iov_len: BigInt(kept.byteLength) }));
    kept.fill(0); // keeps the buffer alive over the call
  },
  guard() {},
  unguard() {},
  end() {},
};
