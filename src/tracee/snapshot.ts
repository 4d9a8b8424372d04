// A frozen copy of a process's private memory: a fork made inside it, to be read at leisure while the program runs on.
//
// 1. The target clones a helper that shares its memory (CLONE_VM, no exit signal: the program's own wait(2) never sees it).
// 2. The helper forks the copy, and ends; so the copy becomes a child of init, or of a subreaper above the tree.
// 3. The target reaps the helper. The copy never runs; it dies with us (PTRACE_O_EXITKILL) or by `dispose`.
// Should we die in between: helper and copy exit by themselves (stub.ts, oneClone), since nobody traces them any more.

import { CLONE, W } from "../kernel/abi/process.js";
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { SIG } from "../kernel/abi/signal.js";
import { asAddress, NULL, type Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import type { Entered } from "./foothold.js";
import { Inside } from "./inside.js";
import { newChild } from "./offspring.js";
import { layOutSigframe } from "./sigframe.js";
import { stubOffset } from "./stub.js";
import { TRACE_OPTIONS } from "./tracee.js";
import { waitFor } from "./wait.js";

const TRACE_CHILDREN = PTRACE_O.PTRACE_O_TRACEFORK | PTRACE_O.PTRACE_O_TRACEVFORK | PTRACE_O.PTRACE_O_TRACECLONE;
/** Where the helper's own frame lies behind the target's. */
const HELPER_FRAME = 8192n;

/** The copy of a process. */
export class Snapshot implements Disposable {
  constructor(readonly pid: Pid) {}

  [Symbol.dispose](): void {
    unless("ESRCH", () => sys.kill(this.pid, SIG.SIGKILL));
    waitFor(this.pid);
  }
}

/** Takes a snapshot of the process that `inside` is in. Throws SyscallError when the kernel refuses to clone (limits, cgroup). */
export function takeSnapshot(inside: Entered): Snapshot {
  const { tracee } = inside;
  tracee.setOptions(TRACE_OPTIONS | TRACE_CHILDREN);
  try {
    const helper = cloneInside(inside, CLONE.CLONE_VM, () => helperGround(inside));
    const copy = cloneInside(helper, 0n, () => helper.ground);
    // Dead, it is a zombie until init reaps it: in a session of its own it does not keep those of the target busy.
    copy.sys.setsid();
    endHelper(inside, helper);
    return new Snapshot(copy.tracee.tid);
  } finally {
    tracee.setOptions(TRACE_OPTIONS);
  }
}

/** clone(2) without an exit signal; the child is stopped and dies with us. */
function cloneInside(parent: Inside, flags: bigint, ground: () => Inside["ground"]): Inside {
  parent.aimClone(syscalls.clone.number, [flags, 0n, 0n, 0n, 0n]);
  const child = newChild(parent.tracee);
  child.setOptions(TRACE_OPTIONS | TRACE_CHILDREN | PTRACE_O.PTRACE_O_EXITKILL);
  return new Inside(child, parent.memory, ground(), child.registers());
}

/** The helper's home is its end: left alone it must not run on as a second thread of the program. */
function helperGround(inside: Entered): Inside["ground"] {
  const at = inside.ground.home + HELPER_FRAME;
  const registers = { ...inside.registers, ip: inside.ground.stub + stubOffset.leave, orig_ax: 0xffffffffffffffffn };
  const frame = layOutSigframe(at, { registers, mask: inside.mask, xstate: inside.tracee.xstate() });
  inside.memory.write(asAddress(at), frame.bytes);
  return { ...inside.ground, home: frame.ucontext };
}

function endHelper(inside: Inside, helper: Inside): void {
  helper.aim(syscalls.exit_group.number, [0n]);
  helper.tracee.continue();
  for (;;) {
    const event = waitFor(helper.tracee.tid);
    if (event.kind === "exited" || event.kind === "killed") break;
    helper.tracee.continue();
  }
  inside.sys.wait4(helper.tracee.tid, NULL, W.__WALL, NULL);
}
