// NOTIFY: the client is told of a step by its name, and the operation waits until it has answered.
import type { Fd, Pid } from "../kernel/brand.js";
import type { ScriptName } from "../operations/requests.js";
import type { Options } from "../options/index.js";
import { receiveMessage, sendMessage } from "../protocol/framing.js";
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
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
    const notify = { script, ...(pid === undefined || script !== "post-restore" ? {} : { pid }) };
    const sent = sendMessage(socket, encodeResponse({ type: CriuReqType.NOTIFY, success: true, notify }));
    const refusal = sent ? whyRefused(socket) : "the client is gone";
    if (refusal !== undefined) log.warn(`the client refuses ${script}: ${refusal}`);
    return refusal === undefined;
  };
}

/** Gives the client the master of a terminal, with the step "orphan-pts-master". */
export function giveTerminalTo(socket: Fd, log: Log): (master: Fd) => boolean {
  const script = "orphan-pts-master";
  return (master) => {
    log.info(`notifying the client of ${script}`);
    const answer = encodeResponse({ type: CriuReqType.NOTIFY, success: true, notify: { script } });
    const refusal = sendMessage(socket, answer, [master]) ? whyRefused(socket) : "the client is gone";
    if (refusal !== undefined) log.warn(`the client refuses ${script}: ${refusal}`);
    return refusal === undefined;
  };
}

function whyRefused(socket: Fd): string | undefined {
  try {
    const packet = receiveMessage(socket);
    if (packet === undefined) return "it closed the connection";
    for (const fd of packet.fds) fd[Symbol.dispose]();
    const { type, notifySuccess } = decodeRequest(packet.data);
    if (type !== CriuReqType.NOTIFY) return `it answers with a request of type ${type}`;
    return notifySuccess ? undefined : "its answer says no";
  } catch (error) {
    if (error instanceof StasisError) return error.message;
    throw error;
  }
}
