// `stasis swrk FD`: a worker on a socket that it inherits, as a child of the client.
import { F_SETFD, FD_CLOEXEC } from "../kernel/abi/fcntl.js";
import { asFd } from "../kernel/brand.js";
import { isPacketSocket } from "../kernel/packets.js";
import { sys } from "../kernel/syscalls.js";
import type { Given, Options } from "../options/index.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";
import { stderrLog } from "./workspace.js";

const PROTOCOL_STATUS = 255;

/** Result: the exit status, CRIU's own: 0, 1 after a failed DUMP or RESTORE, 255 when there was nothing to answer. */
export function runSwrk(fd: number, engine: Engine, given: Given, { logLevel }: Options): number {
  const log = stderrLog(logLevel);
  const socket = asFd(fd);
  if (!isPacketSocket(socket)) {
    log.error(`Cannot serve on descriptor ${fd}: it is no SEQPACKET socket`);
    return PROTOCOL_STATUS;
  }
  sys.fcntlSet(socket, F_SETFD, FD_CLOEXEC);
  using peer = new Peer(socket);
  return serve({ socket, peer, engine, kind: "swrk", standing: "owner", given, log });
}
