// The request WAIT_PID: how a child of this worker ended, as wait(2) tells it.
import { W } from "../kernel/abi/process.js";
import { asPid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import { type CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { StasisError } from "../report/error.js";
import type { Answer, Session } from "./session.js";

const type = CriuReqType.WAIT_PID;

export function handleWait({ pid }: CriuReq, { log }: Session): Answer {
  const status = pid === 0 ? undefined : statusOf(pid);
  if (status !== undefined) return { response: { type, success: true, status }, status: 0 };
  const error = new StasisError({
    code: "PROTOCOL",
    doing: "wait for",
    subject: { kind: "process", pid: asPid(pid) },
    reason: "it is no child of this worker",
    remedy: "wait on the connection that started it",
  });
  log.failure(error);
  return { response: { type, success: false, crErrmsg: error.message }, status: 0 };
}

/** Undefined: not a child of ours. */
function statusOf(pid: number): number | undefined {
  if (pid > MAX_PID) return undefined;
  const status = new Int32Array(1);
  const ended = unless("ECHILD", () => sys.wait4(asPid(pid), new Uint8Array(status.buffer), W.__WALL, null));
  return ended === undefined ? undefined : status[0];
}
const MAX_PID = 2 ** 31 - 1;
