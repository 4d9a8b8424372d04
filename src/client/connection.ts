// One connection to a service: requests go out, answers come back, notifications are answered in between.
import { create } from "@bufbuild/protobuf";
import type { Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import type { OwnFd } from "../kernel/own-fd.js";
import { receiveMessageAsync, sendMessageAsync } from "../protocol/framing.js";
import { type CriuReq, CriuReqSchema, CriuReqType, type CriuResp } from "../protocol/gen/rpc_pb.js";
import { encodeRequest } from "../protocol/request.js";
import { decodeResponse } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import { ConnectionClosed, CriuRequestError, nameOf, RequestUnknown } from "./errors.js";

/** A step of a dump or a restore that the service waits in until we have answered. */
export interface Notification {
  /** "pre-dump", "post-restore", ... */
  readonly script: string;
  /** The root of the restored tree, where it is known. */
  readonly pid: number | undefined;
  /** With "orphan-pts-master": the master of the terminal. Open during the call only. */
  readonly fd: number | undefined;
}
/** With "query-ext-files": what else stays outside of the images, as in the option `external`. */
export interface ExternalObjects {
  readonly external: readonly string[];
}
export type Acknowledgement = boolean | undefined | ExternalObjects;
/** False refuses the step: the service gives up and rolls back. An error refuses too, and is what the call rejects with. */
export type OnNotify = (notification: Notification) => Acknowledgement | Promise<Acknowledgement>;

export interface Exchange {
  readonly signal: AbortSignal;
  readonly onNotify: OnNotify | undefined;
}

export class Connection implements AsyncDisposable {
  /** `closed`: what else has to end, a child process. */
  constructor(
    readonly socket: OwnFd,
    readonly closed: (aborted: boolean) => Promise<void>,
  ) {}

  #aborted = false;
  #staying = false;

  /** What serves becomes another program, which nobody waits for. */
  letGo(): void {
    this.#staying = true;
  }

  /** Sends one request and waits for its answer. @throws CriuError, or the reason of the signal */
  async exchange(request: CriuReq, { signal, onNotify }: Exchange): Promise<CriuResp> {
    try {
      if (!(await this.#send(request, signal)))
        throw new ConnectionClosed(`the service closed the connection before ${nameOf(request.type)} was sent`);
      const response = await this.#answer(request, signal, onNotify);
      return succeeded(request, response);
    } catch (error) {
      if (signal.aborted) this.#aborted = true;
      throw error;
    }
  }

  async #answer(request: CriuReq, signal: AbortSignal, onNotify: OnNotify | undefined): Promise<CriuResp> {
    const failures: unknown[] = [];
    for (;;) {
      const { response, fds } = await this.#receive(request, signal);
      try {
        if (response.type !== CriuReqType.NOTIFY) {
          if (failures.length > 0) throw failures[0];
          return response;
        }
        const said = await ask(response, fds[0]?.fd, onNotify, failures);
        // Closed already: an answer may lie here all the same, that of a service whose worker has died.
        await this.#send(acknowledgement(said), signal);
      } finally {
        for (const fd of fds) fd[Symbol.dispose]();
      }
    }
  }

  /** False: the other end is closed. */
  #send(request: CriuReq, signal: AbortSignal): Promise<boolean> {
    return whileOpen(request, () => sendMessageAsync(this.socket.fd, encodeRequest(request), signal));
  }

  async #receive(request: CriuReq, signal: AbortSignal): Promise<{ response: CriuResp; fds: readonly OwnFd[] }> {
    return whileOpen(request, async () => {
      const packet = await receiveMessageAsync(this.socket.fd, signal);
      if (packet === undefined)
        throw new ConnectionClosed(`the service closed the connection without an answer to ${nameOf(request.type)}`);
      return { response: decodeResponse(packet.data), fds: packet.fds };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket[Symbol.dispose]();
    if (!this.#staying || this.#aborted) await this.closed(this.#aborted);
  }
}

/** Errors of the socket and of what came over it, as errors of the client. */
async function whileOpen<T>(request: CriuReq, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof SyscallError || error instanceof StasisError)) throw error;
    throw new ConnectionClosed(`${nameOf(request.type)}: ${error.message}`, { cause: error });
  }
}

async function ask(
  { notify }: CriuResp,
  fd: Fd | undefined,
  onNotify: OnNotify | undefined,
  failures: unknown[],
): Promise<Acknowledgement> {
  const script = notify?.script ?? "";
  const pid = notify !== undefined && Object.hasOwn(notify, "pid") ? notify.pid : undefined;
  try {
    return await onNotify?.({ script, pid, fd });
  } catch (error) {
    failures.push(error);
    return false;
  }
}

function acknowledgement(said: Acknowledgement): CriuReq {
  const about = { type: CriuReqType.NOTIFY, notifySuccess: said !== false };
  // CRIU takes options without a directory for malformed.
  const opts = typeof said === "object" ? { imagesDirFd: -1, external: [...said.external] } : undefined;
  return create(CriuReqSchema, opts === undefined ? about : { ...about, opts });
}

/** CRIU answers PAGE_SERVER_CHLD as PAGE_SERVER, and what it does not know with EMPTY. */
function succeeded(request: CriuReq, response: CriuResp): CriuResp {
  const name = nameOf(request.type);
  if (response.type === CriuReqType.EMPTY && !response.success) throw new RequestUnknown(name);
  const expected = request.type === CriuReqType.PAGE_SERVER_CHLD ? CriuReqType.PAGE_SERVER : request.type;
  if (response.type !== expected) throw new ConnectionClosed(`${name} was answered with ${nameOf(response.type)}`);
  if (response.success) return response;
  const pid = response.restore !== undefined && response.restore.pid > 0 ? response.restore.pid : undefined;
  throw new CriuRequestError(name, response.crErrno, response.crErrmsg.trimEnd(), pid);
}
