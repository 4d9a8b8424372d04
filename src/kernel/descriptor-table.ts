// Our table of descriptors. As long as threads share it, as Node's do, the kernel waits for a grace period of RCU whenever it doubles
// (fs/file.c, expand_fdtable()): some 10 ms, seven times up to ten thousand descriptors.
import { F_DUPFD_CLOEXEC } from "./abi/fcntl.js";
import { RLIMIT_NOFILE, rlimit64 } from "./abi/sched.js";
import { asFd, asPid } from "./brand.js";
import { unless } from "./errno.js";
import { sys } from "./syscalls.js";

/** How many there may be: RLIMIT_NOFILE of getrlimit(2), ours. */
export function limitOfDescriptors(): { readonly rlim_cur: bigint; readonly rlim_max: bigint } {
  const limit = new Uint8Array(rlimit64.sizeBytes);
  sys.prlimit64(asPid(process.pid), RLIMIT_NOFILE, null, limit);
  return rlimit64.decode(limit);
}

/** The table gets in one step what so many more will take, as far as there may be so many. For a few it grows once at most by itself. */
export function makeRoomFor(descriptors: number): void {
  if (descriptors < MANY) return;
  const { rlim_cur } = limitOfDescriptors();
  const last = Math.min(SOME_OPEN + descriptors, Number(rlim_cur) - 1);
  // The table may be full as it is.
  unless("EMFILE", () => sys.close(sys.fcntlDupFd(STDERR, F_DUPFD_CLOEXEC, last)));
}
const MANY = 128;
/** By us, before. */
const SOME_OPEN = 64;
const STDERR = asFd(2);
