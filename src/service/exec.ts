// `exec_cmd`: after a restore the worker becomes another program, which then is the parent of the restored root.
import { F_SETFD } from "../kernel/abi/fcntl.js";
import { SHUT_RDWR } from "../kernel/abi/socket.js";
import { become } from "../kernel/become.js";
import { asFd, type Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { own } from "../kernel/own-fd.js";
import { sys } from "../kernel/syscalls.js";
import { LineLog } from "../report/log.js";
import type { Answer } from "./session.js";

const OUTPUTS = [asFd(1), asFd(2)] as const;
const LEVEL = 1;

/** With a program in `argv`: what is done when the client has its answer. Its output goes to the log, it does not have the client's socket. */
export function becomeAfter(argv: readonly string[], log: LineLog, socket: Fd): Pick<Answer, "afterwards"> {
  if (argv.length === 0) return {};
  const kept = own(sys.dup(log.fd));
  return {
    afterwards() {
      using output = kept;
      for (const fd of OUTPUTS) sys.dup3(output.fd, fd, 0);
      sys.shutdown(socket, SHUT_RDWR);
      return becomeProgram(argv, new LineLog(output.fd, LEVEL, { owned: false }));
    },
  };
}

/**
 * Returns the exit status when there is no program, 0, or it cannot be started, 1; that is in the log then, and the restored processes
 * live.
 */
export function becomeProgram(argv: readonly string[], log: LineLog): number {
  const [program, ...rest] = argv;
  if (program === undefined) return 0;
  // libuv opens them close-on-exec when they were closed at our start.
  for (const fd of OUTPUTS) sys.fcntlSet(fd, F_SETFD, 0);
  try {
    become([program, ...rest]);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    log.error(`Cannot become the program ${JSON.stringify(program)}: ${error.errno}`);
  }
  return 1;
}
