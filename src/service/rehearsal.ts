// A worker that waits has time: it dumps and restores a small program of its own, so that the first real request runs code that is
// loaded and compiled. That makes the pause of a small program a fifth of what it is in a cold worker.
//
// The images are in a tmpfs that is mounted nowhere, the program ends by itself: nothing is left whenever we are killed.
import { spawn } from "node:child_process";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { O } from "../kernel/abi/fcntl.js";
import { AF_INET } from "../kernel/abi/in.js";
import { W } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { SOCK } from "../kernel/abi/socket.js";
import { type Address, AT_FDCWD, asPid, type Fd, type Pid } from "../kernel/brand.js";
import { SyscallError, unless } from "../kernel/errno.js";
import { memoryDirectory } from "../kernel/memory-directory.js";
import { own } from "../kernel/own-fd.js";
import { newSocketPair, sendPacket } from "../kernel/packets.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import { addMappings, touchAll } from "../operations/many-mappings.js";
import { receiveMessage } from "../protocol/framing.js";
import { CriuReqSchema, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { encodeRequest } from "../protocol/request.js";
import { decodeResponse } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { serve } from "./connection.js";
import type { Engine } from "./engine.js";
import { Peer } from "./peer.js";

/** coreutils; it has a C library, as nearly every target. */
const PROGRAM = "/bin/sleep";
const LIFETIME_SECONDS = "5";
/** So many before a client is served: 23, 13, 10, 9 ms. */
const DUMPS = 4;
/** So many more while none comes, down to 6 ms: by then all of it is compiled. Each takes time from who is served by another worker. */
const MORE_DUMPS = 30;
/** Among these, one of so many ends the program, and a restore follows. */
const DUMPS_A_RESTORE = 10;
/** At the end, of a program with many descriptors: the dump of 2,000 sockets takes half the time in a worker that has done so. */
const DUMPS_OF_MANY = 12;
const MANY_A_RESTORE = 2;
/** Files are opened again by loops that take so many rounds to be compiled. */
const FILES = 600;
const OF_EACH = 50;
/** And of one with many mappings: the restore of 10,000 takes two thirds of the time in a worker that has done so. */
const MAPPINGS = 1000;
const DUMPS_OF_MAPPINGS = 6;

/**
 * What fails here fails in the same way when a client asks, and is told then.
 * @param ready told when enough is done for a first client; result: whether there is time for more
 */
export function rehearse(engine: Engine, log: LineLog, ready: () => boolean): void {
  try {
    using images = memoryDirectory();
    const ask = (request: MessageInitShape<typeof CriuReqSchema>) =>
      askOurselves(engine, log, encodeRequest(create(CriuReqSchema, request)));
    const well = rehearseWith([], log, (pid) => {
      const play = playOf(pid, images.fd, ask);
      for (let dumps = 0; dumps < DUMPS; dumps++) if (!play.dump()) return false;
      return play.dumpAndRestore() && playOn(play, { dumps: MORE_DUMPS, dumpsARestore: DUMPS_A_RESTORE, ready });
    });
    if (!well || !ready()) return;
    using scope = new Scope();
    const many = { dumpsARestore: MANY_A_RESTORE, ready };
    rehearseWith(manyDescriptors(scope), log, (pid) =>
      playOn(playOf(pid, images.fd, ask), { ...many, dumps: DUMPS_OF_MANY }),
    );
    if (!ready()) return;
    rehearseWith([], log, (pid) => {
      const play = playOf(pid, images.fd, ask);
      let places: readonly Address[] = [];
      const add = () => {
        places = addMappings(images.fd, pid, MAPPINGS);
      };
      if (!play.dumpAndRestore(add)) return false;
      touchAll(pid, places);
      return playOn(play, { ...many, dumps: DUMPS_OF_MAPPINGS });
    });
  } catch (error) {
    if (!(error instanceof SyscallError || error instanceof StasisError)) throw error;
    log.debug(`no rehearsal: ${error.message}`);
  }
}

/** Each false when it fails. */
interface Play {
  dump(): boolean;
  /** `between`: may change the images. */
  dumpAndRestore(between?: () => void): boolean;
}

function playOf(pid: Pid, imagesDirFd: Fd, ask: (request: MessageInitShape<typeof CriuReqSchema>) => boolean): Play {
  const opts = { imagesDirFd, shellJob: true, logToStderr: true, logLevel: 0 };
  const dump = (leaveRunning: boolean) => ask({ type: CriuReqType.DUMP, opts: { ...opts, pid, leaveRunning } });
  return {
    dump: () => dump(true),
    dumpAndRestore(between = () => {}) {
      if (!dump(false)) return false;
      between();
      return ask({ type: CriuReqType.RESTORE, opts });
    },
  };
}

/** As long as there is time. */
function playOn(
  { dump, dumpAndRestore }: Play,
  { dumps, dumpsARestore, ready }: { readonly dumps: number; readonly dumpsARestore: number; ready: () => boolean },
): boolean {
  for (let done = 1; ready() && done <= dumps; done++)
    if (!(done % dumpsARestore === 0 ? dumpAndRestore() : dump())) return false;
  return true;
}

/** Starts the program, with these descriptors besides. */
function rehearseWith(descriptors: readonly Fd[], log: LineLog, play: (pid: Pid) => boolean): boolean {
  const stdio = ["ignore", "ignore", "ignore", ...descriptors] as const;
  const { pid } = spawn(PROGRAM, [LIFETIME_SECONDS], { cwd: "/", stdio: [...stdio], env: {} }).on("error", (error) =>
    log.debug(`no rehearsal: ${error.message}`),
  );
  if (pid === undefined) return false;
  try {
    const well = play(asPid(pid));
    log.debug(`the rehearsal ${well ? "went well" : "failed"}`);
    return well;
  } finally {
    end(asPid(pid));
  }
}

/** Of the kinds of which a program may have thousands. None has a name or an address: nobody notices them. */
function manyDescriptors(scope: Scope): Fd[] {
  const keep = (fd: Fd) => scope.use(own(fd)).fd;
  const each = <T>(make: () => T) => Array.from({ length: OF_EACH }, make);
  return [
    ...Array.from({ length: FILES }, () => keep(sys.openat(AT_FDCWD, PROGRAM, O.O_CLOEXEC, 0))),
    ...each(() => newSocketPair().map((end) => scope.use(end).fd)).flat(),
    ...[SOCK.SOCK_DGRAM, SOCK.SOCK_STREAM].flatMap((type) =>
      each(() => keep(sys.socket(AF_INET, type | SOCK.SOCK_CLOEXEC, 0))),
    ),
  ];
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
