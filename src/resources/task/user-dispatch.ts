// System calls that a thread gets as signals instead: prctl(2) PR_SET_SYSCALL_USER_DISPATCH. Ours inside it would be signals, too.
import { PR_SYS_DISPATCH_OFF } from "../../kernel/abi/prctl.js";
import { ptrace_sud_config } from "../../kernel/abi/ptrace.js";
import { unless } from "../../kernel/errno.js";
import { StasisError } from "../../report/error.js";
import type { Tracee } from "../../tracee/tracee.js";

/** Before anybody enters the thread: throws StasisError when the kernel hands its system calls back. */
export function refuseUserDispatch({ tracer, pid, tid, comm }: Tracee): void {
  const bytes = new Uint8Array(ptrace_sud_config.sizeBytes);
  const config = () => tracer.sys.ptraceGetSyscallUserDispatchConfig(tid, bytes.byteLength, bytes);
  // EIO: a kernel before 6.4, which does not tell.
  if (unless("EIO", config) === undefined || ptrace_sud_config.decode(bytes).mode === PR_SYS_DISPATCH_OFF) return;
  throw new StasisError({
    code: "TASK_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid, comm },
    reason: `its thread ${tid} gets its system calls as signals (PR_SET_SYSCALL_USER_DISPATCH), which is not supported yet`,
    remedy: "have it turn that off before the dump",
  });
}
