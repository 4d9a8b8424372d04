// Calls by which the kernel remembers who made them: connect(2), listen(2) and socketpair(2) leave process and user for the other end to ask
// (SO_PEERCRED, unix(7)), and SCM_CREDENTIALS names a process that is there. They are made by a process with that pid, which ends at once: the
// pids of the tree are free before it comes, and those of processes that had ended are mostly, too.
import type { SocketCredentials } from "../../../images/format/entries.js";
import { PR, SECBIT_NO_SETUID_FIXUP } from "../../../kernel/abi/prctl.js";
import { runApart } from "../../../kernel/apart.js";
import { failureOf, type PreparedCall, prepared, runTogether } from "../../../kernel/batch.js";
import { asPid } from "../../../kernel/brand.js";
import { SyscallError } from "../../../kernel/errno.js";
import type { Log } from "../../../report/log.js";

/** Of clone3(2): the pid is taken, above /proc/sys/kernel/pid_max, or not ours to choose. */
const unavailable: ReadonlySet<string> = new Set(["EEXIST", "EINVAL", "EPERM"]);

export class Origins {
  constructor(private readonly log: Log) {}

  /**
   * Makes calls as a process with these credentials, and as ourselves where they are absent, that pid is another's, or we may not choose one: the log
   * tells of that. Throws SyscallError when one of them fails.
   */
  callAs(credentials: SocketCredentials | undefined, calls: readonly PreparedCall[]): void {
    const results = credentials === undefined ? runTogether(calls) : this.#runAs(credentials, calls);
    const error = firstFailure(calls, results);
    if (error !== undefined) throw error;
  }

  #runAs(credentials: SocketCredentials, calls: readonly PreparedCall[]): bigint[] {
    const first = becoming(credentials);
    try {
      const results = runApart([...first, ...calls], asPid(credentials.pid));
      const refused = firstFailure(first, results);
      if (refused !== undefined) this.#tell(`user ${credentials.uid}, group ${credentials.gid}`, refused);
      return results.slice(first.length);
    } catch (error) {
      if (!(error instanceof SyscallError) || !unavailable.has(error.errno)) throw error;
      this.#tell(`process ${credentials.pid}`, error);
      return runTogether(calls);
    }
  }

  #tell(whom: string, { message }: SyscallError): void {
    this.log.warn(`SO_PEERCRED of a unix socket names stasis, not ${whom}: ${message}`);
  }
}

/**
 * Its user cannot trace that process, and so get at our memory, which it has: it keeps capabilities that they have not. ptrace(2), "Ptrace access
 * mode checking".
 */
const becoming = ({ uid, gid }: SocketCredentials): PreparedCall[] => [
  prepared.prctl(PR.PR_SET_SECUREBITS, BigInt(SECBIT_NO_SETUID_FIXUP), 0n, 0n, 0n),
  prepared.setresgid(gid, gid, gid),
  prepared.setresuid(uid, uid, uid),
];

function firstFailure(calls: readonly PreparedCall[], results: readonly bigint[]): SyscallError | undefined {
  for (const [index, call] of calls.entries()) {
    const error = failureOf(call, results[index] ?? 0n);
    if (error !== undefined) return error;
  }
  return undefined;
}
