// A worker: waits for one connection on the listening socket that all workers share, serves it, and ends. A crash or a leak costs one
// request, and the next one finds a worker that is warm already.
import { writeSync } from "node:fs";
import { PR } from "../kernel/abi/prctl.js";
import { SIG } from "../kernel/abi/signal.js";
import { asFd, type Fd } from "../kernel/brand.js";
import { acceptFrom } from "../kernel/packets.js";
import { sys } from "../kernel/syscalls.js";
import { asLevel, LineLog } from "../report/log.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";

/** Descriptors that a worker is started with. */
export const LISTENING_FD = 3;
export const CONTROL_FD = 4;
const STDERR = asFd(2);
/** What a worker tells its supervisor through CONTROL_FD, a byte each. */
export const READY = "r";
export const TAKEN = "t";

/** Result: the exit status, 0 when what it served went well or there is no service any more. */
export function work(engine: Engine, level: number): number {
  const log = new LineLog(STDERR, asLevel(level), { owned: false });
  process.title = "stasis: waiting for a client";
  dieWithSupervisor(SIG.SIGKILL);
  if (!tell(READY)) return 0;
  const connection = acceptFrom(asFd(LISTENING_FD));
  if (connection === undefined) return 0;
  dieWithSupervisor(0);
  if (!tell(TAKEN)) log.debug("the service has ended, this is its last request");
  closeInherited();
  const status = serveOne(connection.fd, engine, log);
  connection[Symbol.dispose]();
  return status === 0 ? 0 : 1;
}

/** Who waits ends with the service, however that ends; who serves, finishes. PR_SET_PDEATHSIG of prctl(2). */
function dieWithSupervisor(signal: number): void {
  sys.prctl(PR.PR_SET_PDEATHSIG, BigInt(signal), 0n, 0n, 0n);
}

/** False: the supervisor is gone. */
function tell(word: string): boolean {
  try {
    writeSync(CONTROL_FD, word);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EPIPE") return false;
    throw error;
  }
}

/** What the files of a client that dumps itself look like must not depend on us. */
function closeInherited(): void {
  sys.close(asFd(LISTENING_FD));
  sys.close(asFd(CONTROL_FD));
}

function serveOne(socket: Fd, engine: Engine, log: LineLog): number {
  using peer = new Peer(socket);
  log.info(`connection of pid ${peer.pid}, user ${peer.uid}`);
  return serve({ socket, peer, engine, kind: "service", given: {}, log });
}
