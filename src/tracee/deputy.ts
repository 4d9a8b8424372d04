// A task of ours that has the memory of a process and nothing else of it. With a copy, a fork made inside the process, the program runs on
// while its memory is read at leisure; one with the very memory (CLONE_VM) hands out the pages of a process that stays frozen.
//
// 1. The target clones a helper that shares its memory (CLONE_VM, no exit signal: the program's own wait(2) never sees it).
// 2. The helper clones the deputy, and ends; so the deputy becomes a child of init, or of a subreaper above the tree.
// 3. The target reaps the helper. The deputy makes calls for us alone; it dies with us (PTRACE_O_EXITKILL) or by `dispose`.
// Should we die in between: helper and deputy exit by themselves (stub.ts, oneClone), since nobody traces them any more.

import { CLONE, W } from "../kernel/abi/process.js";
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { SIG } from "../kernel/abi/signal.js";
import { asAddress, NULL } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys, syscalls } from "../kernel/syscalls.js";
import { inLongMode } from "./compat.js";
import type { Entered } from "./entered.js";
import { Inside } from "./inside.js";
import { TargetMemory } from "./memory.js";
import { newChild } from "./offspring.js";
import { remote } from "./program.js";
import { layOutSigframe } from "./sigframe.js";
import { stubOffset } from "./stub.js";
import { TRACE_OPTIONS, type Tracee } from "./tracee.js";
import { awaitEnd, waitFor } from "./wait.js";

const TRACE_CHILDREN = PTRACE_O.PTRACE_O_TRACEFORK | PTRACE_O.PTRACE_O_TRACEVFORK | PTRACE_O.PTRACE_O_TRACECLONE;
/** Where the helper's own frame lies behind the target's. */
const HELPER_FRAME = 8192n;
const HIGHEST_FD = 0xffffffff;

/** How a deputy has the memory of its process. */
export type DeputyMemory = "copied" | "shared";

export class Deputy implements Disposable {
  constructor(
    /** With shared memory its scratch memory is that of the process, which must not use it meanwhile. */
    readonly inside: Inside,
    private readonly memory: DeputyMemory,
  ) {}

  /**
   * Closes its copies of the target's descriptors, which keep pipes and connections open, and leaves its session, which the zombie of a
   * deputy keeps busy until init reaps it. Not done at once: the target waits for its deputy to be made.
   */
  settle(): void {
    this.inside.run([remote.close_range(0, HIGHEST_FD, 0), remote.setsid()]);
  }

  [Symbol.dispose](): void {
    const { tid } = this.inside.tracee;
    unless("ESRCH", () => sys.kill(tid, SIG.SIGKILL));
    awaitEnd(tid);
    if (this.memory === "copied") this.inside.memory[Symbol.dispose]();
  }
}

/** Makes a deputy of the process that `inside` is in. Throws SyscallError when the kernel refuses to clone (limits, cgroup). */
export function makeDeputy(inside: Entered, memory: DeputyMemory): Deputy {
  const { tracee } = inside;
  tracee.setOptions(TRACE_OPTIONS | TRACE_CHILDREN);
  try {
    const child = cloneInside(inside, CLONE.CLONE_VM);
    return unlessFailing(inside, child, () => {
      const helper = new Inside(child, inside.memory, helperGround(inside), child.registers());
      const deputy = makeSecond(helper, memory);
      endHelper(helper);
      return new Deputy(deputy, memory);
    });
  } finally {
    tracee.setOptions(TRACE_OPTIONS);
  }
}

/** The helper ends in any case, and is reaped by the target: nobody else may, and its program does not know of it. */
function unlessFailing<T>(inside: Inside, helper: Tracee, make: () => T): T {
  try {
    return make();
  } catch (error) {
    unless("ESRCH", () => sys.kill(helper.tid, SIG.SIGKILL));
    awaitEnd(helper.tid);
    throw error;
  } finally {
    inside.sys.wait4(helper.tid, NULL, W.__WALL, NULL);
  }
}

/** The deputy itself; it has no home, since it dies with us. */
function makeSecond(helper: Inside, memory: DeputyMemory): Inside {
  const child = cloneInside(helper, memory === "shared" ? CLONE.CLONE_VM : 0n);
  const itsMemory = memory === "shared" ? helper.memory : new TargetMemory(child.tid);
  return new Inside(child, itsMemory, { ...helper.ground, home: 0n }, child.registers());
}

/** clone(2) without an exit signal; the child is stopped and dies with us. */
function cloneInside(parent: Inside, flags: bigint): Tracee {
  parent.aimClone(syscalls.clone.number, [flags, 0n, 0n, 0n, 0n]);
  const child = newChild(parent.tracee);
  child.setOptions(TRACE_OPTIONS | TRACE_CHILDREN | PTRACE_O.PTRACE_O_EXITKILL);
  return child;
}

/** The helper's home is its end: left alone it must not run on as a second thread of the program. */
function helperGround(inside: Entered): Inside["ground"] {
  const at = inside.ground.home + HELPER_FRAME;
  const registers = {
    ...inLongMode(inside.registers),
    ip: inside.ground.stub + stubOffset.leave,
    orig_ax: 0xffffffffffffffffn,
  };
  const frame = layOutSigframe(at, { registers, mask: inside.mask, xstate: inside.tracee.xstate() });
  inside.memory.write(asAddress(at), frame.bytes);
  return { ...inside.ground, home: frame.ucontext };
}

function endHelper(helper: Inside): void {
  helper.aim(syscalls.exit_group.number, [0n]);
  helper.tracee.continue();
  for (;;) {
    const event = waitFor(helper.tracee.tid);
    if (event.kind === "exited" || event.kind === "killed") break;
    helper.tracee.continue();
  }
}
