// The request DUMP.
import { asPid } from "../kernel/brand.js";
import { type DumpOptions, dumpOptions } from "../options/views.js";
import { type CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { StasisError } from "../report/error.js";
import { explain } from "./failure.js";
import { notifyAll, queryExternalOf } from "./notify.js";
import { progressTo } from "./progress.js";
import { type Answer, optionsOf, type Session, showTitle, workspaceOf } from "./session.js";

export function handleDump(request: CriuReq, session: Session): Answer {
  const dump = { restored: false };
  try {
    const { answered } = dumpFor(request, session);
    return { response: answered ? { type: CriuReqType.DUMP, success: true, dump } : undefined, status: 0 };
  } catch (thrown) {
    const error = explain(thrown, "dump", { kind: "host", what: "the process tree" });
    const { crErrno, message: crErrmsg } = error;
    return { response: { type: CriuReqType.DUMP, success: false, dump, crErrno, crErrmsg }, status: 1 };
  }
}

/** A client that dumped itself and shall not run on gets no answer: its restored copy will find one on its socket. */
function dumpFor(request: CriuReq, session: Session): { readonly answered: boolean } {
  const { peer, engine, socket } = session;
  const options = optionsOf(request, "dump", session);
  const view = dumpOptions(options, options.pid ?? peer.pid);
  refuseOptions(view, options.restoreSibling);
  if (options.statusFd !== undefined) peer.descriptor(options.statusFd, "status_fd")[Symbol.dispose]();
  using workspace = workspaceOf(options, session);
  const { images, workDir, log } = workspace;
  showTitle(`dump --rpc -t ${view.pid}`);
  using told = options.progressFd === undefined ? undefined : peer.descriptor(options.progressFd, "progress_fd");
  const progress = told && progressTo(told.fd);
  const notify = notifyAll(options, socket, workspace, asPid(view.pid));
  const asked = options.notifyScripts ? { queryExternal: queryExternalOf(socket, log, asPid(view.pid)) } : {};
  try {
    const { pid, socketInode } = peer;
    engine.dump({ options: view, images, workDir, log, notify, progress, peer: { pid, socketInode }, ...asked });
  } catch (thrown) {
    const error = explain(thrown, "dump", { kind: "process", pid: asPid(view.pid) });
    log.failure(error);
    throw error;
  }
  return { answered: options.leaveRunning || options.pid !== undefined };
}

function refuseOptions({ pid }: DumpOptions, restoreSibling: boolean): void {
  if (pid <= 0) {
    throw new StasisError({
      code: "NO_SUCH_PROCESS",
      doing: "dump",
      subject: { kind: "process", pid: asPid(pid) },
      reason: "no process has this pid",
      remedy: "name the root of a process tree by its pid",
    });
  }
  if (!restoreSibling) return;
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "dump with",
    subject: { kind: "option", name: "rst_sibling" },
    reason: "it is for restoring",
  });
}
