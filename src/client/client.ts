// The client: one method a request. Works with stasis and with CRIU.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CriuFeatures,
  CriuReqSchema,
  CriuReqType,
  type CriuResp,
  type CriuVersion,
} from "../protocol/gen/rpc_pb.js";
import type { OnProgress } from "../report/progress.js";
import type { Connection, OnNotify } from "./connection.js";
import { ConnectionClosed } from "./errors.js";
import { prepareOptions, type RequestOptions } from "./options.js";
import { PageServerChild, type PageServerPlace } from "./page-server.js";
import { PreDump } from "./pre-dump.js";
import { ProgressEvents } from "./progress.js";
import type {
  CheckRequest,
  CpuinfoRequest,
  DumpRequest,
  PageServerRequest,
  PreDumpRequest,
  RestoreRequest,
  Through,
} from "./requests.js";
import { type SpawnOptions, socketTransport, swrkTransport, type Transport } from "./transport.js";

/** What every method takes besides the options of the request. */
export interface CallOptions {
  /** Gives up: the connection is closed. A dump or restore that runs already may still come to its end. */
  readonly signal?: AbortSignal;
  /** The same after so many milliseconds; the call rejects with a TimeoutError. */
  readonly timeoutMs?: number;
  /** Called for every step that has a name; asks for notifications by being there. */
  readonly onNotify?: OnNotify;
  /** Called while a dump or restore moves memory, some ten times a second; once more at its end. CRIU's service tells nothing. */
  readonly onProgress?: OnProgress;
}
export type Features = { readonly memTrack?: boolean; readonly lazyPages?: boolean; readonly pidfdStore?: boolean };
type RequestInit = Omit<MessageInitShape<typeof CriuReqSchema>, "$typeName" | "opts"> & { readonly type: CriuReqType };

/**
 * A client of the service that listens at `path`. Each call makes a connection of its own, as the protocol wants it.
 * `await using criu = connect("/run/stasis.socket")` ends what still runs with the scope.
 */
export const connect = (path: string): CriuClient<"service"> => new CriuClient(socketTransport(path));

/** A client that starts `program swrk FD` for each call: stasis, or any other program that is compatible with CRIU's swrk. */
export const spawn = (program: string, options: SpawnOptions = {}): CriuClient<"swrk"> =>
  new CriuClient(swrkTransport(program, options));

/** `T`: what the service may be asked depends on how it was reached. */
export class CriuClient<T extends Through = "service"> implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #disposed = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * DUMP. Result: whether we are the restored copy of ourselves, for a program that dumps itself (no `pid`).
   * Rejects with a CriuError, as every call here does.
   */
  async dump(options: DumpRequest, call?: CallOptions): Promise<{ readonly restored: boolean }> {
    const { dump } = await this.#once({ type: CriuReqType.DUMP }, options, call);
    return { restored: dump?.restored ?? false };
  }

  /** RESTORE. Result: the pid of the root. */
  async restore(options: RestoreRequest<T>, call?: CallOptions): Promise<{ readonly pid: number }> {
    const { restore } = await this.#once({ type: CriuReqType.RESTORE }, options, call);
    return { pid: restore?.pid ?? -1 };
  }

  /** CHECK. Resolves when the host has what is needed. */
  async check(options?: CheckRequest, call?: CallOptions): Promise<void> {
    await this.#once({ type: CriuReqType.CHECK }, options, call);
  }

  async version(call?: CallOptions): Promise<CriuVersion> {
    const { version } = await this.#once({ type: CriuReqType.VERSION }, undefined, call);
    return present(version, "VERSION");
  }

  /** FEATURE_CHECK. Only what is asked for is looked at; the rest is reported as missing. */
  async featureCheck(features: Features, call?: CallOptions): Promise<CriuFeatures> {
    const response = await this.#once({ type: CriuReqType.FEATURE_CHECK, features }, undefined, call);
    return present(response.features, "FEATURE_CHECK");
  }

  /** SINGLE_PRE_DUMP: memory only, the processes run on. */
  async singlePreDump(options: PreDumpRequest, call?: CallOptions): Promise<void> {
    await this.#once({ type: CriuReqType.SINGLE_PRE_DUMP }, options, call);
  }

  /** PRE_DUMP: memory only; the result takes the next steps on the same connection and ends with a dump. */
  async preDump(options: PreDumpRequest, call?: CallOptions): Promise<PreDump> {
    return this.#keep({ type: CriuReqType.PRE_DUMP }, options, call, (connection) => new PreDump(this, connection));
  }

  /** PAGE_SERVER, in the background. Result: where it listens; its pid is 0 with some versions of CRIU. */
  async pageServer(options: PageServerRequest, call?: CallOptions): Promise<PageServerPlace> {
    const { ps } = await this.#once({ type: CriuReqType.PAGE_SERVER }, options, call);
    return present(ps, "PAGE_SERVER");
  }

  /** PAGE_SERVER_CHLD: a page server that can be waited for, on the same connection. */
  async pageServerChild(options: PageServerRequest, call?: CallOptions): Promise<PageServerChild> {
    const request = { type: CriuReqType.PAGE_SERVER_CHLD, keepOpen: true };
    return this.#keep(
      request,
      options,
      call,
      (connection, { ps }) => new PageServerChild(this, connection, present(ps, "PAGE_SERVER")),
    );
  }

  async cpuinfoDump(options: CpuinfoRequest, call?: CallOptions): Promise<void> {
    await this.#once({ type: CriuReqType.CPUINFO_DUMP }, options, call);
  }

  /** CPUINFO_CHECK. Resolves when the processor is as good as the one in the images. */
  async cpuinfoCheck(options: CpuinfoRequest, call?: CallOptions): Promise<void> {
    await this.#once({ type: CriuReqType.CPUINFO_CHECK }, options, call);
  }

  /** Any request on a connection that is there. For sequences that have no method of their own. */
  request(
    connection: Connection,
    init: RequestInit,
    options?: RequestOptions,
    call: CallOptions = {},
  ): Promise<CriuResp> {
    return this.#tracked(call, (signal) => exchange(connection, init, options, { ...call, signal }));
  }

  #once(init: RequestInit, options: RequestOptions | undefined, call: CallOptions = {}): Promise<CriuResp> {
    return this.#tracked(call, async (signal) => {
      await using connection = await this.#transport(signal);
      if (options?.execCmd !== undefined && options.execCmd.length > 0) connection.letGo();
      return await exchange(connection, init, options, { ...call, signal });
    });
  }

  #keep<T>(
    init: RequestInit,
    options: RequestOptions,
    call: CallOptions = {},
    made: (connection: Connection, response: CriuResp) => T,
  ): Promise<T> {
    return this.#tracked(call, async (signal) => {
      const connection = await this.#transport(signal);
      try {
        return made(connection, await exchange(connection, init, options, { ...call, signal }));
      } catch (error) {
        await connection[Symbol.asyncDispose]();
        throw error;
      }
    });
  }

  async #tracked<T>({ signal, timeoutMs }: CallOptions, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signals = [this.#disposed.signal];
    if (signal !== undefined) signals.push(signal);
    if (timeoutMs !== undefined) signals.push(AbortSignal.timeout(timeoutMs));
    const running = act(AbortSignal.any(signals));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Ends the calls that run, and waits until what they started is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort(new ConnectionClosed("the client was disposed"));
    await Promise.allSettled(this.#running);
  }
}

async function exchange(
  connection: Connection,
  init: RequestInit,
  options: RequestOptions | undefined,
  { signal, onNotify, onProgress }: CallOptions & { readonly signal: AbortSignal },
): Promise<CriuResp> {
  const request = create(CriuReqSchema, init);
  if (options === undefined) return connection.exchange(request, { signal, onNotify });
  await using events = onProgress && new ProgressEvents(onProgress, signal);
  using prepared = prepareOptions({
    ...options,
    ...(onNotify === undefined ? {} : { notifyScripts: true }),
    ...(events === undefined ? {} : { progressFd: events.fd }),
  });
  request.opts = prepared.opts;
  const response = await connection.exchange(request, { signal, onNotify });
  await events?.finish();
  return response;
}

function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new ConnectionClosed(`the answer to ${name} is empty`);
  return value;
}
