// The request RESTORE.
import { resolve } from "node:path";
import { F_GETFD } from "../kernel/abi/fcntl.js";
import type { Fd } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import { RestoreFailed, type RestoreOutcome } from "../operations/requests.js";
import { type RestoreOptions, restoreOptions } from "../options/views.js";
import { type CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { StasisError } from "../report/error.js";
import { becomeAfter } from "./exec.js";
import { explain } from "./failure.js";
import { giveTerminalTo, notifyAll } from "./notify.js";
import { createPidfile } from "./pidfile.js";
import { progressTo } from "./progress.js";
import { type Answer, optionsOf, type Session, showTitle, workspaceOf } from "./session.js";

/** What the answer carries when no root was made. */
const NO_PID = -1;
const tree = { kind: "host", what: "the process tree" } as const;

export function handleRestore(request: CriuReq, session: Session): Answer {
  const type = CriuReqType.RESTORE;
  try {
    const { rootPid, afterwards } = restoreFor(request, session);
    const response = { type, success: true, restore: { pid: rootPid } };
    return { response, status: 0, ...(afterwards === undefined ? {} : { afterwards }) };
  } catch (thrown) {
    const error = explain(thrown, "restore", tree);
    const pid = thrown instanceof RestoreFailed ? thrown.rootPid : NO_PID;
    const { crErrno, message: crErrmsg } = error;
    return { response: { type, success: false, restore: { pid }, crErrno, crErrmsg }, status: 1 };
  }
}

function restoreFor(request: CriuReq, session: Session): RestoreOutcome & Pick<Answer, "afterwards"> {
  const { peer, engine, socket } = session;
  const options = optionsOf(request, "restore", session);
  const view = restoreOptions(options);
  checkInherited(view);
  if (options.statusFd !== undefined) peer.descriptor(options.statusFd, "status_fd")[Symbol.dispose]();
  using workspace = workspaceOf(options, session);
  const { images, workDir, log } = workspace;
  showTitle("restore --rpc");
  using told = options.progressFd === undefined ? undefined : peer.descriptor(options.progressFd, "progress_fd");
  const progress = told && progressTo(told.fd);
  const notify = notifyAll(options, socket, workspace);
  const client = options.notifyScripts ? { giveTerminal: giveTerminalTo(socket, log) } : {};
  try {
    using pidfile = createPidfile(pidfileIn(workDir, options.pidfile));
    const outcome = engine.restore({ options: view, images, workDir, log, notify, progress, ...client });
    pidfile.write(outcome.rootPid);
    return { ...outcome, ...becomeAfter(options.execCmd, log, socket) };
  } catch (thrown) {
    const error = explain(thrown, "restore", tree);
    log.failure(error);
    throw error;
  }
}

/** Relative to the work directory. */
export function pidfileIn(workDir: Fd, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(`/proc/self/fd/${workDir}`, path);
}

/** Descriptors to inherit are our own, from whoever started us. @throws StasisError OPTION_INVALID */
export function checkInherited({ inheritedFds }: RestoreOptions): void {
  for (const { fd, key } of inheritedFds) {
    if (fd >= 0 && unless("EBADF", () => sys.fcntlGetFd(fd, F_GETFD)) !== undefined) continue;
    throw new StasisError({
      code: "OPTION_INVALID",
      doing: "restore with",
      subject: { kind: "option", name: "inherit-fd" },
      reason: `descriptor ${fd} for ${JSON.stringify(key)} is not open`,
    });
  }
}
