// What the supervisor knows of a worker that serves: its client's connection, the request, and since when nothing was heard. So a client whose
// worker crashes, hangs or is killed is answered by the supervisor.
import type { Fd } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import type { OwnFd } from "../kernel/own-fd.js";
import { receivePacket, sendPacket } from "../kernel/packets.js";
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import { encodeResponse } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import { failed, requestTypes } from "./requests.js";

/** What a worker tells of a connection, a byte each. A request is told by a letter of its own. */
export const BEAT = "b";
/** It waits for its client, or for what the client has named, which may take any time. */
export const WAITS = "w";
/** The request has its answer. */
export const ANSWERED = ".";
/** The connection is served to its end. */
export const DONE = "d";
const FIRST_LETTER = "A".charCodeAt(0);

export const letterOf = (type: CriuReqType): string => String.fromCharCode(FIRST_LETTER + type);

/** Undefined: no letter of a request. */
export function typeOfLetter(letter: string): CriuReqType | undefined {
  const type = letter.charCodeAt(0) - FIRST_LETTER;
  return requestTypes.has(type) ? type : undefined;
}

/** A worker gives its supervisor the connection as well. Nothing happens when that is gone. */
export function handOver(channel: Fd, connection: Fd): void {
  unless(["EPIPE", "ECONNRESET", "ENOTCONN"], () => sendPacket(channel, new Uint8Array(1), { fds: [connection] }));
}

/** A connection that a worker serves. Disposing closes our descriptor of it. */
export class Watch implements Disposable {
  #connection: OwnFd | undefined;
  #request: CriuReqType | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heard = 0;
  #hung = false;

  constructor(
    readonly options: { readonly silentMs: number; readonly end: () => void },
    channel: Fd,
  ) {
    this.#connection = unless(["EAGAIN", "ECONNRESET"], () => receivePacket(channel, 1).fds[0]);
  }

  /** A byte that the worker wrote. */
  hear(word: string): void {
    const type = typeOfLetter(word);
    if (word === DONE) this[Symbol.dispose]();
    else if (word === ANSWERED) this.#request = undefined;
    else if (type !== undefined) this.#request = type;
    if (word === BEAT || type !== undefined) this.#expectMore();
    else this.#rest();
  }

  #expectMore(): void {
    this.#heard = performance.now();
    if (this.options.silentMs > 0) this.#timer ??= setTimeout(() => this.#look(), this.options.silentMs);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const leftMs = this.#heard + this.options.silentMs - performance.now();
    this.#timer = undefined;
    if (leftMs > 0) this.#timer = setTimeout(() => this.#look(), leftMs);
    else {
      this.#hung = true;
      this.options.end();
    }
  }

  /** The worker is gone; `how` it ended. Result: what its client was told, if anything was to be told. */
  lost(how: string): StasisError | undefined {
    this.#rest();
    if (this.#connection === undefined) return undefined;
    const error = this.#sentence(how);
    const answer = this.#request === undefined ? undefined : requestTypes.get(this.#request)?.answer;
    const { message: crErrmsg } = error;
    const response =
      answer === undefined ? { type: CriuReqType.EMPTY, success: false, crErrmsg } : failed(answer, error);
    const told = tell(this.#connection.fd, encodeResponse(response));
    this[Symbol.dispose]();
    return told ? error : undefined;
  }

  #sentence(how: string): StasisError {
    const seconds = this.options.silentMs / 1000;
    return new StasisError({
      code: "WORKER_LOST",
      doing: "serve",
      subject: { kind: "request", type: CriuReqType[this.#request ?? CriuReqType.EMPTY] },
      ...(this.#hung
        ? {
            reason: `its worker gave no sign of life for ${seconds} s and was ended`,
            remedy: "look for what it waits for in its log, or start the service with a longer --hang-timeout",
          }
        : { reason: `its worker ${how}`, remedy: "ask again; the processes that were to be dumped run on" }),
    });
  }

  [Symbol.dispose](): void {
    this.#rest();
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }
}

/** Without waiting for a client that does not read. False: it does not hear us. */
function tell(connection: Fd, packet: Uint8Array): boolean {
  try {
    sendPacket(connection, packet, {}, { wait: false });
    return true;
  } catch (error) {
    if (error instanceof SyscallError) return false; // EPIPE, ECONNRESET, EAGAIN
    throw error;
  }
}
