// A worker that waits has time: it dumps and restores programs of its own, so that the first real request runs code that is loaded and compiled. That
// makes the pause of a small program a fifth of what it is in a cold worker.
//
// The images are in a tmpfs that is mounted nowhere, the programs end by themselves: nothing is left whenever we are killed.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SyscallError } from "../kernel/errno.js";
import { memoryDirectory } from "../kernel/memory-directory.js";
import { newSocketPair, sendPacket } from "../kernel/packets.js";
import { addMappings } from "../operations/more-mappings.js";
import { receiveMessage } from "../protocol/framing.js";
import { type CriuOptsSchema, CriuReqSchema, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { encodeRequest } from "../protocol/request.js";
import { decodeResponse } from "../protocol/response.js";
import type { LineLog } from "../report/log.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";
import { type Held, startProgram } from "./rehearsal-program.js";

interface Act {
  readonly held: Held;
  readonly dumps: number;
  /** One of so many dumps ends the program, and a restore follows. */
  readonly aRestore: number;
}
/** Before a client is served: the dumps take 23, 13, 10, 9 ms. */
const FIRST: Act = { held: "little", dumps: 5, aRestore: 5 };
/**
 * More while none comes, until all of it is compiled: down to 6 ms. With little open here too, a restore of ten thousand files took 152 ms and not
 * 100, a dump of two thousand sockets 183 and not 124. Those that serve go first: priority.ts.
 */
const MORE: Act = { held: "much", dumps: 60, aRestore: 2 };

/**
 * What fails here fails in the same way when a client asks, and is told then.
 * @param ready told when enough is done for a first client; result: whether there is time for more
 */
export function rehearse(engine: Engine, log: LineLog, ready: () => boolean): void {
  const stage: Stage = { engine, log };
  try {
    if (play(FIRST, stage, () => true) && ready()) play(MORE, stage, ready);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    log.debug(`no rehearsal: ${error.message}`);
  }
}

interface Stage {
  readonly engine: Engine;
  readonly log: LineLog;
}

/** Result: whether it was played to its end. */
function play({ held, dumps, aRestore }: Act, stage: Stage, hasTime: () => boolean): boolean {
  using program = startProgram(held, (error) => stage.log.debug(`no rehearsal: ${error.message}`));
  if (program === undefined) return false;
  const { pid } = program;
  using images = memoryDirectory();
  const opts = { imagesDirFd: images.fd, shellJob: true, logToStderr: true, logLevel: 0 };
  const ask = (type: CriuReqType, more: MessageInitShape<typeof CriuOptsSchema>) =>
    askOurselves(stage, encodeRequest(create(CriuReqSchema, { type, opts: { ...opts, ...more } })));
  for (let dump = 1; dump <= dumps; dump++) {
    if (!hasTime()) return false;
    const leaveRunning = dump % aRestore !== 0;
    let well = ask(CriuReqType.DUMP, { pid, leaveRunning });
    if (well && !leaveRunning) {
      if (held === "much" && dump === aRestore) addMappings(images.fd, pid);
      well = ask(CriuReqType.RESTORE, {});
    }
    if (well) continue;
    stage.log.debug(`the rehearsal with ${held} open failed`);
    return false;
  }
  stage.log.debug(`the rehearsal with ${held} open went well`);
  return true;
}

/** Serves one request of our own, over a connection to ourselves. Result: whether it went well. */
function askOurselves({ engine, log }: Stage, request: Uint8Array): boolean {
  const [client, server] = newSocketPair();
  using ours = client;
  using socket = server;
  using peer = new Peer(socket.fd);
  sendPacket(ours.fd, request);
  serve({ socket: socket.fd, peer, engine, kind: "swrk", standing: "owner", given: {}, log });
  const response = receiveMessage(ours.fd);
  return response !== undefined && decodeResponse(response.data).success;
}
