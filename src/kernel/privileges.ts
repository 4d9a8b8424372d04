// Becoming another user for good, with one capability kept: credentials(7), capabilities(7), PR_SET_KEEPCAPS of prctl(2).
import { _LINUX_CAPABILITY_VERSION_3, cap_user_data, cap_user_header, PR, PR_CAP_AMBIENT_RAISE } from "./abi/prctl.js";
import { asPid } from "./brand.js";
import { addressOf } from "./call.js";
import { inEveryThread } from "./every-thread.js";
import { readThreadStatus } from "./proc/status.js";
import { listThreads } from "./proc/tasks.js";
import { sys, syscalls } from "./syscalls.js";

/** Checkpoint and restore of what one may trace: map_files, clone3(set_tid), the exe link. */
export const CAP_CHECKPOINT_RESTORE = 40;
export const CAP_SYS_NICE = 23;

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/**
 * From here on this process is the user's, whatever it opens, traces or creates; programs that it starts have the kept capability too. Every
 * thread of ours keeps it: one without it could be traced by the user, and with it the memory and descriptors of us all.
 */
export function becomeUser({ uid, gid, groups }: User, keep: number): void {
  inEveryThread(syscalls.prctl, [PR.PR_SET_KEEPCAPS, 1]);
  process.setgroups?.([...groups]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  const set = 1n << BigInt(keep);
  const data = [0n, 32n].map((shift) => {
    const word = Number((set >> shift) & 0xffffffffn);
    return cap_user_data.encode({ effective: word, permitted: word, inheritable: word });
  });
  const header = cap_user_header.encode({ version: _LINUX_CAPABILITY_VERSION_3, pid: 0 });
  const memory = [header, new Uint8Array(Buffer.concat(data))];
  inEveryThread(syscalls.capset, memory.map(addressOf));
  memory.length = 0; // a use after the call: until here no buffer may be collected
  const self = asPid(process.pid);
  const without = listThreads(self).filter((tid) => readThreadStatus(self, tid)?.capPrm !== set);
  if (without.length > 0)
    throw new Error(`the threads ${without.join(", ")} of ours do not hold capability ${keep} alone`);
  sys.prctl(PR.PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_RAISE), BigInt(keep), 0n, 0n);
  // It was lost with the ids, and with it our own /proc. The user cannot trace us: we hold a capability that they do not.
  sys.prctl(PR.PR_SET_DUMPABLE, 1n, 0n, 0n, 0n);
}
