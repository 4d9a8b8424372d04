// Every piece of state of a process or thread, in the order in which each stage puts it back.
import type { TaskPart } from "../kind.js";
import { affinity } from "./affinity.js";
import { autogroup } from "./autogroup.js";
import { childSubreaper } from "./child-subreaper.js";
import { coredumpFilter } from "./coredump-filter.js";
import { cpuTimers } from "./cpu-timers.js";
import { cpuid } from "./cpuid.js";
import { credentials } from "./credentials.js";
import { floatingPoint } from "./floating-point.js";
import { intervalTimers } from "./interval-timers.js";
import { ioFlusher } from "./io-flusher.js";
import { ioPriority } from "./io-priority.js";
import { limits } from "./limits.js";
import { loginUid } from "./login-uid.js";
import { mceKill } from "./mce-kill.js";
import { mdwe } from "./mdwe.js";
import { membarrier } from "./membarrier.js";
import { memoryMerge } from "./memory-merge.js";
import { names } from "./names.js";
import { oomScore } from "./oom-score.js";
import { parentDeathSignal } from "./parent-death-signal.js";
import { pendingSignals, sharedPendingSignals } from "./pending-signals.js";
import { personality } from "./personality.js";
import { posixTimers } from "./posix-timers.js";
import { registers } from "./registers.js";
import { robustList } from "./robust-list.js";
import { rseq } from "./rseq.js";
import { scheduling } from "./scheduling.js";
import { seccomp } from "./seccomp.js";
import { securityLabel } from "./security-label.js";
import { signalActions } from "./signal-actions.js";
import { signalMask } from "./signal-mask.js";
import { signalStack } from "./signal-stack.js";
import { timedCall } from "./timed-call.js";
import { timerSlack } from "./timer-slack.js";
import { tsc } from "./tsc.js";
import { xstatePermission } from "./xstate-permission.js";

export const taskParts: readonly TaskPart[] = [
  registers,
  timedCall,
  floatingPoint,
  signalMask,
  signalStack,
  robustList,
  rseq,
  names,
  securityLabel,
  timerSlack,
  affinity,
  scheduling,
  ioPriority,
  autogroup,
  coredumpFilter,
  personality,
  oomScore,
  loginUid,
  childSubreaper,
  membarrier,
  memoryMerge,
  xstatePermission,
  tsc,
  mceKill,
  ioFlusher,
  cpuid,
  limits,
  seccomp,
  credentials,
  parentDeathSignal,
  signalActions,
  pendingSignals,
  sharedPendingSignals,
  posixTimers,
  cpuTimers,
  intervalTimers,
  mdwe,
];
