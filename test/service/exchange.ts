// Speaks with `serve` over a socket pair in one process: all requests are sent first, then it serves, then the answers are read.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { asFd } from "../../src/kernel/brand.js";
import { newSocketPair, sendPacket } from "../../src/kernel/packets.js";
import { sys } from "../../src/kernel/syscalls.js";
import { receiveMessage } from "../../src/protocol/framing.js";
import { CriuReqSchema, CriuReqType, type CriuResp } from "../../src/protocol/gen/rpc_pb.js";
import { encodeRequest } from "../../src/protocol/request.js";
import { decodeResponse } from "../../src/protocol/response.js";
import { LineLog } from "../../src/report/log.js";
import { serve } from "../../src/service/connection.js";
import type { Engine } from "../../src/service/engine.js";
import { Peer } from "../../src/service/peer.js";
import type { Session } from "../../src/service/session.js";
import { fakeEngine } from "./fake-engine.js";

export type Request = Omit<MessageInitShape<typeof CriuReqSchema>, "$typeName"> | Uint8Array;
export const acknowledgement: Request = { type: CriuReqType.NOTIFY, notifySuccess: true };

const SHUT_WR = 1;
export const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"));
const silent = new LineLog(asFd(2), 0, { owned: false });

/** The answers as bytes and as messages, and what swrk would exit with. */
export function exchange(requests: readonly Request[], options: Partial<Session> & { readonly engine?: Engine } = {}) {
  const [ours, theirs] = newSocketPair();
  using mine = ours;
  for (const request of requests) {
    const bytes = request instanceof Uint8Array ? request : encodeRequest(create(CriuReqSchema, request));
    sendPacket(mine.fd, bytes);
  }
  sys.shutdown(mine.fd, SHUT_WR);
  const status = serveOn(theirs, options);
  const raw: Uint8Array[] = [];
  for (let packet = receiveMessage(mine.fd); packet !== undefined; packet = receiveMessage(mine.fd))
    raw.push(packet.data);
  const answers: CriuResp[] = raw.map(decodeResponse);
  return { status, raw: raw.map((bytes) => Buffer.from(bytes).toString("hex")), answers };
}

function serveOn(theirs: ReturnType<typeof newSocketPair>[number], options: Partial<Session>): number {
  using socket = theirs;
  using peer = new Peer(socket.fd);
  return serve({
    socket: socket.fd,
    peer,
    engine: fakeEngine(),
    kind: "swrk",
    standing: "owner",
    given: {},
    log: silent,
    ...options,
  });
}
