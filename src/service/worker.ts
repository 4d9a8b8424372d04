// A worker: waits for one connection on the listening socket that all workers share, serves it, and offers to serve another. It ends
// after a restore, whose tree would otherwise have it for a parent, after an operation that failed, and when it has dumped often: a crash or
// a leak costs one request, and the next one finds a worker that is warm already. One that has refused goes on: who asks in vain again and
// again does not have us start a worker each time.
import { readSync, writeSync } from "node:fs";
import { F_SETFD, FD_CLOEXEC } from "../kernel/abi/fcntl.js";
import { PR } from "../kernel/abi/prctl.js";
import { SIG } from "../kernel/abi/signal.js";
import { SHUT_RDWR } from "../kernel/abi/socket.js";
import { asFd, type Fd } from "../kernel/brand.js";
import { makeRoomFor } from "../kernel/descriptor-table.js";
import { unless } from "../kernel/errno.js";
import type { OwnFd } from "../kernel/own-fd.js";
import { acceptFrom, readableWithin } from "../kernel/packets.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { asLevel, LineLog } from "../report/log.js";
import { type Access, becomePeer, standingOf } from "./access.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";
import { Priority } from "./priority.js";
import { Pulse } from "./pulse.js";
import { rehearse } from "./rehearsal.js";
import { DONE, handOver } from "./watch.js";

/** Descriptors that a worker is started with. */
export const LISTENING_FD = 3;
export const CONTROL_FD = 4;
/** By which the supervisor is given each connection too. */
export const CHANNEL_FD = 5;
const STDERR = asFd(2);
/** What a worker tells its supervisor through CONTROL_FD, a byte each: it waits, it serves, it could wait once more. */
export const READY = "r";
export const TAKEN = "t";
export const AGAIN = "a";
/** What the supervisor answers to READY and AGAIN: others may have come back in the meantime, and be enough. */
export const GO_ON = "g";
export const END = "e";
const MOST_DUMPS = 16;
/** Descriptors for which there is room from the beginning: 128 KiB. */
const MOST_AT_ONCE = 16_000;
const WAITING = "stasis: waiting for a client";

/** What a worker is told by its supervisor, as JSON. */
export interface WorkerSettings {
  readonly level: number;
  readonly access: Access;
  /** How long a client may keep a connection open without a word; 0: for ever. */
  readonly idleSeconds: number;
  /** Of who serves; it may have been started with a higher one. */
  readonly nice: number;
}

/** Result: the exit status, 0 when what it served went well or there is no service any more. */
export function work(engine: Engine, { level, access, idleSeconds, nice }: WorkerSettings): number {
  const priority = new Priority(nice);
  const log = new LineLog(STDERR, asLevel(level), { owned: false });
  for (const fd of [LISTENING_FD, CONTROL_FD, CHANNEL_FD]) sys.fcntlSet(asFd(fd), F_SETFD, FD_CLOEXEC);
  makeRoomFor(MOST_AT_ONCE);
  let offered: boolean | undefined;
  rehearse(engine, log, () => {
    if (offered === undefined) priority.giveWay();
    offered ??= offer(READY) && mayGoOn();
    return offered && !readableWithin(asFd(LISTENING_FD), 0);
  });
  priority.comeBack();
  process.title = WAITING;
  let dumps = 0;
  for (let waits = offered ?? (offer(READY) && mayGoOn()); waits; waits = offer(AGAIN) && mayGoOn()) {
    const connection = acceptFrom(asFd(LISTENING_FD));
    if (connection === undefined) return 0;
    dieWithSupervisor(0);
    handOver(asFd(CHANNEL_FD), connection.fd);
    if (!tell(TAKEN)) log.debug("the service has ended, this is its last request");
    const { status, did } = serveOne(connection.fd, { engine, log, access, idleSeconds });
    end(connection);
    if (did === "changed") return status === 0 ? 0 : 1;
    if (did === "dump" || did === "refused") dumps++;
    if (did === "restore" || (did === "dump" && status !== 0) || dumps >= MOST_DUMPS) return status === 0 ? 0 : 1;
  }
  return 0;
}

/** The supervisor has the connection as well: shut down, it has ended for the client all the same. */
function end(connection: OwnFd): void {
  unless("ENOTCONN", () => sys.shutdown(connection.fd, SHUT_RDWR));
  connection[Symbol.dispose]();
  tell(DONE);
}

/** Says that we wait for a client. False: the supervisor is gone. */
function offer(word: typeof READY | typeof AGAIN): boolean {
  process.title = WAITING;
  dieWithSupervisor(SIG.SIGKILL);
  return tell(word);
}

/** Who waits ends with the service, however that ends; who serves, finishes. PR_SET_PDEATHSIG of prctl(2). */
function dieWithSupervisor(signal: number): void {
  sys.prctl(PR.PR_SET_PDEATHSIG, BigInt(signal), 0n, 0n, 0n);
}

/** False: the supervisor is gone. */
const tell = (word: string): boolean => whileSupervised(() => writeSync(CONTROL_FD, word)) !== undefined;

function mayGoOn(): boolean {
  const answer = new Uint8Array(1);
  readableWithin(asFd(CONTROL_FD), FOREVER);
  const got = whileSupervised(() => readSync(CONTROL_FD, answer));
  return got === 1 && String.fromCharCode(...answer) === GO_ON;
}

/** Undefined: the supervisor is gone. */
function whileSupervised(speak: () => number): number | undefined {
  try {
    return speak();
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET"))
      return undefined;
    throw error;
  }
}
const FOREVER = -1;

type Did = "dump" | "restore" | "refused" | "changed" | "nothing";

/** `did`: what the engine was asked for, or that we are the client now. Whoever only asked or talked nonsense got nothing of it. */
function serveOne(
  socket: Fd,
  {
    engine,
    log,
    access,
    idleSeconds,
  }: Omit<WorkerSettings, "level" | "nice"> & { readonly engine: Engine; readonly log: LineLog },
): { readonly status: number; readonly did: Did } {
  using peer = new Peer(socket);
  const pulse = new Pulse(tell);
  const standing = standingOf(peer, access);
  log.info(`connection of pid ${peer.pid}, user ${peer.uid}: ${standing}`);
  let did: Did = "nothing";
  const note = <T>(operation: "dump" | "restore", run: () => T): T => {
    did = operation;
    try {
      return run();
    } catch (error) {
      if (error instanceof StasisError && error.isRefusal) did = "refused";
      throw error;
    }
  };
  const noting: Engine = {
    ...engine,
    dump(request) {
      const { queryExternal } = request;
      const asked = queryExternal && { queryExternal: () => pulse.waitingFor(queryExternal) };
      return note("dump", () => engine.dump({ ...request, ...pulse.around(request), ...asked }));
    },
    restore(request) {
      const { giveTerminal } = request;
      const given = giveTerminal && { giveTerminal: (master: Fd) => pulse.waitingFor(() => giveTerminal(master)) };
      return note("restore", () => engine.restore({ ...request, ...pulse.around(request), ...given }));
    },
  };
  if (standing === "user") becomePeer(peer);
  const about = { socket, peer, standing, engine: noting, kind: "service", given: {}, log, idleSeconds } as const;
  const status = serve({ ...about, watched: pulse });
  return { status, did: standing === "user" ? "changed" : did };
}
