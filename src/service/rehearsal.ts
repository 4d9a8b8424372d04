// A worker that waits has time: it serves one request that does nothing, so that the first real one runs code that is loaded and compiled.
// Some 4 ms of it.
import { create } from "@bufbuild/protobuf";
import { newSocketPair, sendPacket } from "../kernel/packets.js";
import { receiveMessage } from "../protocol/framing.js";
import { CriuReqSchema, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { encodeRequest } from "../protocol/request.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";

const ANY_PID = 1;

export function rehearse(engine: Engine, log: LineLog): void {
  const [client, server] = newSocketPair();
  using ours = client;
  using socket = server;
  using peer = new Peer(socket.fd);
  const opts = { imagesDir: "/", logToStderr: true, logLevel: 0, pid: ANY_PID };
  sendPacket(ours.fd, encodeRequest(create(CriuReqSchema, { type: CriuReqType.DUMP, opts })));
  serve({ socket: socket.fd, peer, engine: { ...engine, dump: end }, kind: "swrk", given: {}, log });
  receiveMessage(ours.fd);
}

/** Where a real request would begin to work. */
function end(): never {
  throw new StasisError({
    code: "CANCELLED",
    doing: "dump",
    subject: { kind: "host", what: "anything" },
    reason: "this is a rehearsal",
    remedy: "ask for real",
  });
}
