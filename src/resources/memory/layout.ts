// The bounds that the kernel keeps of an address space: code, data, heap, stack, arguments, environment, auxiliary vector, exe.
// prctl(2) PR_SET_MM_MAP; proc_pid_stat(5) shows all but the end of the heap.

import { create } from "@bufbuild/protobuf";
import { type MmEntry, MmEntrySchema } from "../../images/format/entries.js";
import { O, O_RDONLY } from "../../kernel/abi/fcntl.js";
import { MCL } from "../../kernel/abi/mman.js";
import { PR, prctl_mm_map } from "../../kernel/abi/prctl.js";
import { AT_FDCWD, asAddress, NULL, type TargetFd } from "../../kernel/brand.js";
import { own } from "../../kernel/own-fd.js";
import { readAuxvWords } from "../../kernel/proc/auxv.js";
import { readMappings } from "../../kernel/proc/maps.js";
import { readProcLink } from "../../kernel/proc/read.js";
import { statOf } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import type { Inside, Room } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { DumpContext, DumpedProcess, DumpedThread } from "../kind.js";
import { collectRings } from "./aio.js";

const questions = {
  brk: asks(remote.brk(NULL)),
  dumpable: asks(remote.prctl(PR.PR_GET_DUMPABLE, 0n, 0n, 0n, 0n)),
  thpDisabled: asks(remote.prctl(PR.PR_GET_THP_DISABLE, 0n, 0n, 0n, 0n)),
};
/** What `collectLayout` has to know. */
export const layoutQuestions = Object.values(questions);

/** Everything of mm-PID.img but the mappings. */
export function collectLayout({ process, inside, answers, status }: DumpedThread, context: DumpContext): MmEntry {
  const { stat } = process;
  const thp = Number(answers.of(questions.thpDisabled));
  const mm = create(MmEntrySchema, {
    mmStartCode: stat.startCode,
    mmEndCode: stat.endCode,
    mmStartData: stat.startData,
    mmEndData: stat.endData,
    mmStartStack: stat.startStack,
    mmStartBrk: stat.startBrk,
    mmBrk: answers.of(questions.brk),
    mmArgStart: stat.argStart,
    mmArgEnd: stat.argEnd,
    mmEnvStart: stat.envStart,
    mmEnvEnd: stat.envEnd,
    exeFileId: registerExe(process, context),
    // CRIU refuses more than 44 words.
    mmSavedAuxv: readAuxvWords(process.living),
    aios: collectRings(process, inside),
    dumpable: Number(answers.of(questions.dumpable)),
    thpDisabled: thp !== 0,
  });
  if ((thp & PR.PR_THP_DISABLE_EXCEPT_ADVISED) !== 0) mm.thpDisabledExceptAdvised = true;
  if (status.lockedBytes > process.status.lockedBytes) mm.lockFuture = lockedFrom(process, inside);
  return mm;
}

/** Nothing shows that mlockall(2) MCL_FUTURE is in effect, but that the area which we have just mapped in the target is locked. */
function lockedFrom({ living }: DumpedProcess, { ground }: Inside): number {
  const ours = readMappings(living).find(({ start, end }) => start <= ground.stub && ground.stub < end);
  return MCL.MCL_FUTURE | (ours?.vmFlags.has("lf") ? MCL.MCL_ONFAULT : 0);
}

function registerExe(process: DumpedProcess, context: DumpContext): number {
  const { pid, living, comm } = process;
  using duplicate = own(sys.openat(AT_FDCWD, `/proc/${living}/exe`, O.O_PATH | O.O_CLOEXEC, 0));
  return context.files.register(
    {
      process,
      duplicate: duplicate.fd,
      link: readProcLink(living, "exe") ?? "",
      subject: { kind: "process", pid, comm },
      stat: statOf(duplicate.fd),
    },
    O_RDONLY,
  );
}

/** Puts the bounds back; `exe` is a descriptor in the target. Needs CAP_CHECKPOINT_RESTORE, not CAP_SYS_RESOURCE. */
export function applyLayout(inside: Inside, mm: MmEntry, exe: TargetFd): void {
  const auxv = new Uint8Array(BigUint64Array.from(mm.mmSavedAuxv).buffer);
  const { sizeBytes } = prctl_mm_map;
  inside.laterAt(sizeBytes + auxv.byteLength, (at) => ({
    bytes: Buffer.concat([
      boundsOf(mm, exe, { at: asAddress(at + BigInt(sizeBytes)), sizeBytes: auxv.byteLength }),
      auxv,
    ]),
    call: remote.prctlSetMmMap(at, sizeBytes, 0),
  }));
  const thpFlags = mm.thpDisabledExceptAdvised ? BigInt(PR.PR_THP_DISABLE_EXCEPT_ADVISED) : 0n;
  if (mm.thpDisabled) inside.later(remote.prctl(PR.PR_SET_THP_DISABLE, 1n, thpFlags, 0n, 0n));
  if (mm.lockFuture !== 0) inside.later(remote.mlockall(mm.lockFuture));
}

function boundsOf(mm: MmEntry, exe: TargetFd, auxv: Room): Uint8Array {
  return prctl_mm_map.encode({
    start_code: mm.mmStartCode,
    end_code: mm.mmEndCode,
    start_data: mm.mmStartData,
    end_data: mm.mmEndData,
    start_brk: mm.mmStartBrk,
    brk: mm.mmBrk,
    start_stack: mm.mmStartStack,
    arg_start: mm.mmArgStart,
    arg_end: mm.mmArgEnd,
    env_start: mm.mmEnvStart,
    env_end: mm.mmEnvEnd,
    auxv: auxv.at,
    auxv_size: auxv.sizeBytes,
    exe_fd: exe,
  });
}
