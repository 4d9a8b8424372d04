// What a call of the client rejects with. An abort rejects with the reason of its signal.
import { errnoName } from "../kernel/errno.js";
import { CriuReqType } from "../protocol/gen/rpc_pb.js";

/** Every error of the client that is about the service. */
export abstract class CriuError extends Error {}

/** No connection: no service listens, the program cannot be started. */
export class ConnectionFailed extends CriuError {
  override readonly name = "ConnectionFailed";
}

/** The service closed the connection, or broke the protocol, before it answered: it took the request for malformed, or it crashed. */
export class ConnectionClosed extends CriuError {
  override readonly name = "ConnectionClosed";
}

/** The service has no such request. */
export class RequestUnknown extends CriuError {
  override readonly name = "RequestUnknown";

  constructor(readonly request: string) {
    super(`the service has no request ${request}`);
  }
}

/** The service answered that it failed. */
export class CriuRequestError extends CriuError {
  override readonly name = "CriuRequestError";

  /**
   * `crErrno`: an errno(3) value, 0 when the service gave none; `crErrmsg`: its sentence, "" when it gave none; `pid`: of a restored root that
   * existed for a while.
   */
  constructor(
    readonly request: string,
    readonly crErrno: number,
    readonly crErrmsg: string,
    readonly pid?: number,
  ) {
    const why = crErrmsg !== "" ? crErrmsg : crErrno !== 0 ? errnoName(crErrno) : "the service does not say why";
    super(`${request} failed: ${why}`);
  }
}

export const nameOf = (type: CriuReqType): string => CriuReqType[type] ?? `type ${type}`;
