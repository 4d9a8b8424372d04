// A page server that is a child of its worker: WAIT_PID waits for it, on the connection that started it.
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import type { CallOptions, CriuClient } from "./client.js";
import type { Connection } from "./connection.js";

export interface PageServerPlace {
  readonly pid: number;
  readonly port: number;
}

export class PageServerChild implements PageServerPlace, AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly #client: CriuClient;
  readonly #connection: Connection;

  constructor(client: CriuClient, connection: Connection, { pid, port }: PageServerPlace) {
    this.#client = client;
    this.#connection = connection;
    this.pid = pid;
    this.port = port;
  }

  /** WAIT_PID. Result: the raw wait status, 0 when it went well. The connection is used up then. */
  async wait(call?: CallOptions): Promise<number> {
    const { pid } = this;
    const { status } = await this.#client.request(
      this.#connection,
      { type: CriuReqType.WAIT_PID, pid },
      undefined,
      call,
    );
    return status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }
}
