// Which descriptors a process has, and which of them it does not hand on over execve(2): fcntl(2), F_GETFD, made by the process itself for one number after
// the other. Of ten thousand descriptors that takes 3 ms; a list of /proc/PID/fd takes 17.
import { F_GETFD } from "../kernel/abi/fcntl.js";
import { asTargetFd, type TargetFd } from "../kernel/brand.js";
import { CallList, ENTRY_WORDS } from "../kernel/call-list.js";
import type { Inside } from "./inside.js";
import { remote } from "./program.js";

const AT_ONCE = 512;
const HALVES = ENTRY_WORDS * 2;
const FD_HALF = 2;
const RESULT_HALF = (ENTRY_WORDS - 1) * 2;
const FD_CLOEXEC = 1;

export interface DescriptorFlags {
  /** Ascending. */
  readonly fds: readonly TargetFd[];
  readonly closeOnExec: ReadonlySet<TargetFd>;
}

/** Asks for the numbers below `limit`. */
export function descriptorFlags(inside: Inside, limit: number): DescriptorFlags {
  const fds: TargetFd[] = [];
  const closeOnExec = new Set<TargetFd>();
  const calls = CallList.of(
    Array.from({ length: Math.min(limit, AT_ONCE) }, () => remote.fcntlGetFd(asTargetFd(-1), F_GETFD)),
  );
  const list = new Int32Array(calls.bytes.buffer);
  for (let from = 0; from < limit; from += AT_ONCE) {
    for (let call = 0; call < calls.count; call++) {
      list[call * HALVES + FD_HALF] = from + call;
      list[call * HALVES + FD_HALF + 1] = 0;
    }
    using program = inside.load(calls, { keepGoing: true });
    program.run();
    const done = program.done();
    const results = new Int32Array(done.buffer, done.byteOffset, done.byteLength >> 2);
    for (let call = 0; call < calls.count; call++) {
      const flags = results[call * HALVES + RESULT_HALF] ?? -1;
      if (flags < 0) continue;
      fds.push(asTargetFd(from + call));
      if ((flags & FD_CLOEXEC) !== 0) closeOnExec.add(asTargetFd(from + call));
    }
  }
  return { fds, closeOnExec };
}
