// The area of ours in a target: the stub, room for the frame of a thread that is in it, and scratch memory.
import { StasisError } from "../report/error.js";
import { SIGFRAME_ROOM } from "./sigframe.js";
import type { Tracee } from "./tracee.js";

export const STUB_BYTES = 4096;
export const SCRATCH_BYTES = 64 * 1024;
export const AREA_BYTES = STUB_BYTES + SIGFRAME_ROOM + SCRATCH_BYTES;

export function cannotHold({ pid, comm }: Tracee, why: string): StasisError {
  return new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "work inside",
    subject: { kind: "process", pid, comm },
    reason: `it cannot hold ${AREA_BYTES} bytes for our calls (${why})`,
    remedy: "raise its RLIMIT_AS or vm.max_map_count",
  });
}
