// NOTIFY: the client is told of a step by its name, and the operation waits until it has answered.
import type { Fd, Pid } from "../kernel/brand.js";
import type { ScriptName } from "../operations/requests.js";
import { type Options, settle } from "../options/index.js";
import { receiveMessage, sendMessage } from "../protocol/framing.js";
import { type CriuOpts, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { decodeRequest } from "../protocol/request.js";
import { encodeResponse } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import type { Log } from "../report/log.js";
import { scriptRunner } from "./scripts.js";
import type { Workspace } from "./workspace.js";

/** Tells somebody of a step; false: they refuse to go on. */
export type Notify = (script: ScriptName, pid?: Pid) => boolean;

/** The client first; the scripts of a configuration file once it agrees. */
export function notifyAll(
  { notifyScripts, actionScripts }: Pick<Options, "notifyScripts" | "actionScripts">,
  socket: Fd,
  { images, workDir, log }: Workspace,
  rootPid?: Pid,
): Notify {
  const client = notifyScripts ? notifyClient(socket, log) : () => true;
  if (actionScripts.length === 0) return client;
  const scripts = scriptRunner(actionScripts, { images, workDir, log, rootPid });
  return (script, pid) => client(script, pid) && scripts.notify(script, pid);
}

/** Notifies the client, with the pid of the root where CRIU tells it. Anything but an acknowledgement refuses: another type, success that is false or absent, a closed connection. */
export function notifyClient(socket: Fd, log: Log): Notify {
  return (script, pid) => {
    log.info(`notifying the client of ${script}`);
    return ask(socket, log, { script, ...(pid === undefined || script !== "post-restore" ? {} : { pid }) }).agreed;
  };
}

/** Asks the client what else stays outside of the images, with the step "query-ext-files". The result throws StasisError. */
export function queryExternalOf(socket: Fd, log: Log, pid: Pid): () => readonly string[] {
  const script = "query-ext-files";
  return () => {
    const { agreed, opts } = ask(socket, log, { script });
    if (agreed) return settle({ external: opts?.external ?? [] }, "dump").external;
    throw new StasisError({
      code: "CANCELLED",
      doing: "dump",
      subject: { kind: "process", pid },
      reason: `the ${script} notification was refused`,
      remedy: "have the client accept it",
    });
  };
}

/** Gives the client the master of a terminal, with the step "orphan-pts-master". */
export function giveTerminalTo(socket: Fd, log: Log): (master: Fd) => boolean {
  return (master) => ask(socket, log, { script: "orphan-pts-master" }, [master]).agreed;
}

interface Step {
  readonly script: ScriptName | "orphan-pts-master";
  readonly pid?: Pid;
}
interface Reply {
  readonly agreed: boolean;
  /** What the client says besides. */
  readonly opts?: CriuOpts | undefined;
}

function ask(socket: Fd, log: Log, notify: Step, fds: readonly Fd[] = []): Reply {
  log.info(`notifying the client of ${notify.script}`);
  const message = encodeResponse({ type: CriuReqType.NOTIFY, success: true, notify });
  const reply = sendMessage(socket, message, fds) ? replyOf(socket) : "the client is gone";
  if (typeof reply !== "string") return reply;
  log.warn(`the client refuses ${notify.script}: ${reply}`);
  return { agreed: false };
}

/** Text: why it refuses. */
function replyOf(socket: Fd): Reply | string {
  try {
    const packet = receiveMessage(socket);
    if (packet === undefined) return "it closed the connection";
    for (const fd of packet.fds) fd[Symbol.dispose]();
    const { type, notifySuccess, opts } = decodeRequest(packet.data);
    if (type !== CriuReqType.NOTIFY) return `it answers with a request of type ${type}`;
    return notifySuccess ? { agreed: true, opts } : "its answer says no";
  } catch (error) {
    if (error instanceof StasisError) return error.message;
    throw error;
  }
}
