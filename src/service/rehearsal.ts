// A worker that waits has time: it dumps and restores a small program of its own, so that the first real request runs code that is
// loaded and compiled. That makes the pause of a small program a fifth of what it is in a cold worker.
//
// The images are in a tmpfs that is mounted nowhere, the program ends by itself: nothing is left whenever we are killed.
import { spawn } from "node:child_process";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { W } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { asPid, type Pid } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { memoryDirectory } from "../kernel/memory-directory.js";
import { newSocketPair, sendPacket } from "../kernel/packets.js";
import { sys } from "../kernel/syscalls.js";
import { receiveMessage } from "../protocol/framing.js";
import { type CriuOptsSchema, CriuReqSchema, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { encodeRequest } from "../protocol/request.js";
import { decodeResponse } from "../protocol/response.js";
import type { LineLog } from "../report/log.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";

/** coreutils; it has a C library, as nearly every target. */
const PROGRAM = "/bin/sleep";
const LIFETIME_SECONDS = "5";
/** So many before a client is served: 23, 13, 10, 9 ms. */
const DUMPS = 4;
/** So many more while none comes, down to 6 ms: by then all of it is compiled. Those that serve go first: priority.ts. */
const MORE_DUMPS = 80;
/** Among these, one of so many ends the program, and a restore follows. With 30 and 10 the restore of 1 MiB took 19 to 21 ms, now 15. */
const DUMPS_A_RESTORE = 4;

/**
 * What fails here fails in the same way when a client asks, and is told then.
 * @param ready told when enough is done for a first client; result: whether there is time for more
 */
export function rehearse(engine: Engine, log: LineLog, ready: () => boolean): void {
  const { pid } = spawn(PROGRAM, [LIFETIME_SECONDS], { cwd: "/", stdio: "ignore", env: {} }).on("error", (error) =>
    log.debug(`no rehearsal: ${error.message}`),
  );
  if (pid === undefined) return;
  try {
    using images = memoryDirectory();
    const opts = { imagesDirFd: images.fd, shellJob: true, logToStderr: true, logLevel: 0 };
    const ask = (type: CriuReqType, more: MessageInitShape<typeof CriuOptsSchema>) =>
      askOurselves(engine, log, encodeRequest(create(CriuReqSchema, { type, opts: { ...opts, ...more } })));
    const dump = (leaveRunning: boolean) => ask(CriuReqType.DUMP, { pid, leaveRunning });
    const dumpAndRestore = () => dump(false) && ask(CriuReqType.RESTORE, {});
    let well = true;
    for (let dumps = 0; well && dumps < DUMPS; dumps++) well = dump(true);
    well &&= dumpAndRestore();
    for (let dumps = 1; well && ready() && dumps <= MORE_DUMPS; dumps++)
      well = dumps % DUMPS_A_RESTORE === 0 ? dumpAndRestore() : dump(true);
    log.debug(`the rehearsal ${well ? "went well" : "failed"}`);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    log.debug(`no rehearsal: ${error.message}`);
  } finally {
    end(asPid(pid));
  }
}

/** Serves one request of our own, over a connection to ourselves. Result: whether it went well. */
function askOurselves(engine: Engine, log: LineLog, request: Uint8Array): boolean {
  const [client, server] = newSocketPair();
  using ours = client;
  using socket = server;
  using peer = new Peer(socket.fd);
  sendPacket(ours.fd, request);
  serve({ socket: socket.fd, peer, engine, kind: "swrk", standing: "owner", given: {}, log });
  const response = receiveMessage(ours.fd);
  return response !== undefined && decodeResponse(response.data).success;
}

function end(pid: Pid): void {
  unless("ESRCH", () => sys.kill(pid, SIG.SIGKILL));
  unless("ECHILD", () => sys.wait4(pid, null, W.__WALL, null));
}
