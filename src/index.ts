// stasis as a library: the client. It loads no engine.
export { type CallOptions, CriuClient, connect, type Features, spawn } from "./client/client.js";
export type { Notification, OnNotify } from "./client/connection.js";
export { ConnectionClosed, ConnectionFailed, CriuError, CriuRequestError, RequestUnknown } from "./client/errors.js";
export type { RequestOptions } from "./client/options.js";
export type { PageServerChild, PageServerPlace } from "./client/page-server.js";
export type { PreDump } from "./client/pre-dump.js";
export type { SpawnOptions } from "./client/transport.js";
