// A process that ends a restored tree when we die while we let it go. Until then every task dies with us (PTRACE_O_EXITKILL); but they are let
// go one after the other, those that have been run at once, and half a tree must not run on.
//
// 1. It is a seed, with a descriptor of each process: by then a pid may be another's.
// 2. It is pointed at a program that kills them all, and stays stopped. EXITKILL is taken from it: should we die, it runs that program, and ends.
// 3. When the whole tree runs, we kill it: one step, after which the tree is there.
import { MAP, PROT } from "../kernel/abi/mman.js";
import { SIG } from "../kernel/abi/signal.js";
import { asAddress, asTargetFd, NO_TARGET_FD, NULL, type Pid } from "../kernel/brand.js";
import { CallList } from "../kernel/call-list.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import type { Inside } from "./inside.js";
import { type RemoteCall, remote } from "./program.js";
import { startSeed } from "./seed.js";
import { stubOffset } from "./stub.js";
import { TRACE_OPTIONS } from "./tracee.js";
import { awaitEnd } from "./wait.js";

const BASE = asAddress(0x10000000n);
const PAGE = 4096;
const NOT_IN_A_SYSCALL = 0xffffffffffffffffn;

export class Undertaker implements Disposable {
  readonly #inside: Inside;

  /** From here on `pids` end with us. */
  constructor(pids: readonly Pid[]) {
    const { inside } = startSeed(BASE);
    this.#inside = inside;
    const descriptors = inside.run(pids.map((pid) => remote.pidfd_open(pid, 0)));
    const kills = descriptors.map((fd) => remote.pidfd_send_signal(asTargetFd(Number(fd)), SIG.SIGKILL, NULL, 0));
    this.#pointAt(kills);
    inside.tracee.setOptions(TRACE_OPTIONS);
  }

  #pointAt(calls: readonly RemoteCall[]): void {
    const { tracee, memory, ground, sys: there } = this.#inside;
    const list = CallList.of(calls).bytes;
    const lengthBytes = BigInt(Math.ceil((list.byteLength + 8) / PAGE) * PAGE);
    const prot = PROT.PROT_READ | PROT.PROT_WRITE;
    const at = there.mmap(NULL, lengthBytes, prot, MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS, NO_TARGET_FD, 0n);
    memory.write(at, list);
    // Its last call ended in a trap, the signal of which it would get when we are gone.
    tracee.stopAtOnce();
    tracee.setRegisters({
      ...tracee.registers(),
      ip: ground.stub + stubOffset.programThenLeave,
      orig_ax: NOT_IN_A_SYSCALL,
      r12: at,
      r13: BigInt(calls.length),
      bp: 0n,
      r14: asAddress(at + BigInt(list.byteLength)),
    });
  }

  /** The tree outlives us. */
  [Symbol.dispose](): void {
    const { tracee, memory } = this.#inside;
    memory[Symbol.dispose]();
    unless("ESRCH", () => sys.kill(tracee.pid, SIG.SIGKILL));
    awaitEnd(tracee.pid);
  }
}
