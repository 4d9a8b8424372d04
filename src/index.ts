// stasis as a library: the client. It loads no engine.
export { type CallOptions, CriuClient, connect, type Features, spawn } from "./client/client.js";
export type { Acknowledgement, ExternalObjects, Notification, OnNotify } from "./client/connection.js";
export { ConnectionClosed, ConnectionFailed, CriuError, CriuRequestError, RequestUnknown } from "./client/errors.js";
export type { RequestOptions } from "./client/options.js";
export type { PageServerChild, PageServerPlace } from "./client/page-server.js";
export type { PreDump } from "./client/pre-dump.js";
export {
  type CheckRequest,
  type CpuinfoRequest,
  CriuCgMode,
  CriuNetworkLockMethod,
  CriuPreDumpMode,
  type DumpOptions,
  type DumpRequest,
  type ImagesPlace,
  type JoinedNamespace,
  type PageServerRequest,
  type PreDumpRequest,
  type RestoreOptions,
  type RestoreRequest,
  type Through,
  type WorkPlace,
} from "./client/requests.js";
export type { SpawnOptions } from "./client/transport.js";
export type { OnProgress, Progress } from "./report/progress.js";
