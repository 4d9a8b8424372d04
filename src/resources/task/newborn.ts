// What a task of a restore has before anything of its own is put back: all come from one seed by clone3(2), and have what that has. So one of them
// is asked, instead of each: a thousand tasks are seven thousand files of /proc.
import { PR } from "../../kernel/abi/prctl.js";
import { CPU_MASK_BYTES, IOPRIO_WHO_PROCESS, sched_attr } from "../../kernel/abi/sched.js";
import type { Pid } from "../../kernel/brand.js";
import type { ShapeOf } from "../../kernel/declare/struct.js";
import { unless } from "../../kernel/errno.js";
import { readCoredumpFilter, readTimerSlack } from "../../kernel/proc/attributes.js";
import { type Limit, readLimits } from "../../kernel/proc/limits.js";
import { readProc } from "../../kernel/proc/read.js";
import { readThreadStatus, type TaskStatus } from "../../kernel/proc/status.js";
import { onlineProcessors } from "../../kernel/processors.js";
import { sys } from "../../kernel/syscalls.js";
import type { RestoredThread } from "../kind.js";

/** Each is asked of the first thread that has to know, before its own is put back. Undefined: it is gone, or the kernel does not have that. */
export class Newborn {
  readonly limits = once(({ process: { pid } }): readonly Limit[] => readLimits(pid) ?? []);
  readonly oomScoreAdj = once(({ process: { pid } }) => numberIn(readProc(pid, "oom_score_adj")));
  readonly loginuid = once(({ process: { pid } }) => numberIn(readProc(pid, "loginuid")));
  readonly coredumpFilter = once(({ process: { pid } }) => readCoredumpFilter(pid));
  readonly status = once(({ process: { pid }, tracee: { tid } }): TaskStatus | undefined => readThreadStatus(pid, tid));
  readonly ioPriority = once(({ tracee: { tid } }) => sys.ioprio_get(IOPRIO_WHO_PROCESS, tid));
  readonly scheduling = once(({ tracee: { tid } }) => attributesOf(tid));
  readonly timerSlack = once(slackOf);
  readonly affinity = once(({ tracee: { tid } }) => affinityOf(tid));
}

function once<T>(ask: (thread: RestoredThread) => T): (thread: RestoredThread) => T {
  let known: { readonly answer: T } | undefined;
  return (thread) => {
    known ??= { answer: ask(thread) };
    return known.answer;
  };
}

const numberIn = (text: string | undefined) => (text === undefined ? undefined : Number(text));

/** sched_getattr(2). */
export function attributesOf(tid: Pid): ShapeOf<typeof sched_attr> {
  const bytes = new Uint8Array(sched_attr.sizeBytes);
  sys.sched_getattr(tid, bytes, bytes.byteLength, 0);
  return sched_attr.decode(bytes);
}

/** Of another thread the file is shown to whoever has CAP_SYS_NICE: a worker that has become its client has not. */
export function slackOf({ tracee: { tid }, inside }: Pick<RestoredThread, "tracee" | "inside">): bigint {
  const shown = unless("EPERM", () => readTimerSlack(tid));
  return shown ?? BigInt(inside.sys.prctl(PR.PR_GET_TIMERSLACK, 0n, 0n, 0n, 0n));
}

/** Empty: the thread may run on every processor that is there. */
export function affinityOf(tid: Pid): Uint8Array {
  const mask = new Uint8Array(CPU_MASK_BYTES);
  const lengthBytes = sys.sched_getaffinity(tid, mask.byteLength, mask);
  const isFree = onlineProcessors().every((number) => ((mask[number >> 3] ?? 0) & (1 << (number & 7))) !== 0);
  return isFree ? new Uint8Array() : mask.slice(0, lengthBytes);
}
