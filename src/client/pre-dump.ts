// A dump in steps: pre-dumps of memory while the processes run, then a dump of the rest, all on one connection.
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import type { CallOptions, CriuClient } from "./client.js";
import type { Connection } from "./connection.js";
import type { DumpRequest, PreDumpRequest } from "./requests.js";

/** After the first PRE_DUMP. Options do not carry over: each step names its images, and the ones before as `parentImg`. */
export class PreDump implements AsyncDisposable {
  readonly #client: CriuClient;
  readonly #connection: Connection;

  constructor(client: CriuClient, connection: Connection) {
    this.#client = client;
    this.#connection = connection;
  }

  /** One more PRE_DUMP. */
  async again(options: PreDumpRequest, call?: CallOptions): Promise<void> {
    await this.#client.request(this.#connection, { type: CriuReqType.PRE_DUMP }, options, call);
  }

  /** The DUMP at the end. */
  async dump(options: DumpRequest, call?: CallOptions): Promise<void> {
    await this.#client.request(this.#connection, { type: CriuReqType.DUMP }, options, call);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }
}
