// One connection: requests are read, dispatched and answered until the client or the protocol says that it is enough.

import { readableWithin } from "../kernel/packets.js";
import { receiveMessage, sendMessage } from "../protocol/framing.js";
import { type CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { decodeRequest } from "../protocol/request.js";
import { encodeResponse } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import { failed, type RequestType, requestTypes } from "./requests.js";
import type { Answer, Session } from "./session.js";

/** What swrk exits with when there was nothing to answer. */
const PROTOCOL_STATUS = 255;

/** How long somebody who gets nothing but a refusal may take to say what they want. */
const STRANGER_PATIENCE_MS = 2000;

/** Serves a connection to its end. Result: what swrk exits with: 0, 1 after a failed DUMP or RESTORE, 255 when the client kept no protocol. */
export function serve(session: Session): number {
  const stranger = isStranger(session);
  const patienceMs = stranger ? STRANGER_PATIENCE_MS : (session.idleSeconds ?? 0) * 1000;
  for (;;) {
    if (patienceMs > 0 && !readableWithin(session.socket, patienceMs)) return PROTOCOL_STATUS;
    const request = nextRequest(session);
    if (request === undefined) return PROTOCOL_STATUS;
    const type = requestTypes.get(request.type);
    if (request.keepOpen && type?.keepOpen !== true) {
      session.log.warn(`the connection cannot stay open after a request of type ${request.type}`);
      return PROTOCOL_STATUS;
    }
    session.watched?.busyWith(request.type);
    const { response, status, afterwards } = answer(request, type, session);
    const delivered = response === undefined || sendMessage(session.socket, encodeResponse(response));
    session.watched?.answered();
    if (!delivered) session.log.warn("the client is gone, it gets no answer");
    const last = afterwards?.() ?? status;
    if (!delivered || stranger || !request.keepOpen) return delivered ? last : 1;
  }
}

/** Undefined: the client is gone, or what it sent is no request; then it is told nothing, as by CRIU. */
function nextRequest({ socket, log }: Session): CriuReq | undefined {
  try {
    const packet = receiveMessage(socket);
    if (packet === undefined) return undefined;
    for (const fd of packet.fds) fd[Symbol.dispose]();
    return decodeRequest(packet.data);
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    log.failure(error);
    return undefined;
  }
}

function answer(request: CriuReq, type: RequestType | undefined, session: Session): Answer {
  if (type === undefined) return { response: { type: CriuReqType.EMPTY, success: false }, status: PROTOCOL_STATUS };
  if (!isStranger(session)) return type.handle(request, session);
  const error = notAllowed(request.type, session.peer.uid);
  session.log.failure(error);
  return { response: failed(type.answer, error), status: 1 };
}

const isStranger = ({ standing }: Session) => standing === "stranger";

const notAllowed = (type: CriuReqType, uid: number) =>
  new StasisError({
    code: "PEER_NOT_ALLOWED",
    doing: "serve",
    subject: { kind: "request", type: CriuReqType[type] },
    reason: `it comes from user ${uid}`,
    remedy: "ask as root, or as the user who runs the service",
  });
