// Every piece of state of a process or thread, in the order in which each stage puts it back.
import type { TaskPart } from "../kind.js";
import { affinity } from "./affinity.js";
import { autogroup } from "./autogroup.js";
import { childSubreaper } from "./child-subreaper.js";
import { coredumpFilter } from "./coredump-filter.js";
import { credentials } from "./credentials.js";
import { floatingPoint } from "./floating-point.js";
import { intervalTimers } from "./interval-timers.js";
import { ioPriority } from "./io-priority.js";
import { limits } from "./limits.js";
import { loginUid } from "./login-uid.js";
import { membarrier } from "./membarrier.js";
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
import { signalActions } from "./signal-actions.js";
import { signalMask } from "./signal-mask.js";
import { signalStack } from "./signal-stack.js";

import { timerSlack } from "./timer-slack.js";

export const taskParts: readonly TaskPart[] = [
  registers,
  floatingPoint,
  signalMask,
  signalStack,
  robustList,
  rseq,
  names,
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
  limits,
  seccomp,
  credentials,
  parentDeathSignal,
  signalActions,
  pendingSignals,
  sharedPendingSignals,
  posixTimers,
  intervalTimers,
];
