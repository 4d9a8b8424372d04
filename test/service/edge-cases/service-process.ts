// The service and swrk as processes: how they start, whom they serve, how they end.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect, spawn } from "../../../src/index.js";
import { asPid } from "../../../src/kernel/brand.js";
import { SyscallError } from "../../../src/kernel/errno.js";
import { connectTo, newSocket, newSocketPair, sendPacket, setNonBlocking } from "../../../src/kernel/packets.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { receiveMessageAsync } from "../../../src/protocol/framing.js";
import { decodeResponse } from "../../../src/protocol/response.js";
import { startServiceIn, program as stasis } from "../running-service.js";
import { CLOSED, type Done } from "./case.js";
import { said, type World } from "./world.js";

const NO_SURPRISE = "whatever is there is somebody's";

/** How a service ends that cannot start. */
const start = (input: string, args: (world: World) => string[], differs: Partial<Done> = {}): Done => ({
  input,
  theirs: "status 1",
  ours: "status 1",
  ...differs,
  async act(world) {
    const { status } = spawnSync(stasis, ["service", "-v0", ...args(world)], { timeout: 20_000 });
    return `status ${status}`;
  },
});

function fileIn(world: World): string {
  const path = join(world.images(), "file");
  writeFileSync(path, "precious");
  return path;
}

/** What a client in Python that has become nobody gets: the answer to a DUMP of `pid`, in hexadecimal digits. */
const asNobody = `
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(bytes.fromhex(sys.argv[2]))
print(s.recv(4096).hex())
`;
/** Another process has made the connection, and is gone when the request is sent. */
const handedOver = `
import os, socket, sys
keeps, gives = socket.socketpair()
child = os.fork()
if child == 0:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    socket.send_fds(gives, [b"x"], [s.fileno()])
    os._exit(0)
_, fds, _, _ = socket.recv_fds(keeps, 1, 1)
os.waitpid(child, 0)
s = socket.socket(fileno=fds[0])
s.send(bytes.fromhex(sys.argv[2]))
print(s.recv(4096).hex())
`;
function answerTo(code: string, path: string, request: string): string {
  const { stdout, stderr } = spawnSync("python3", ["-c", code, path, request], { encoding: "utf8" });
  if (stderr !== "") throw new Error(stderr);
  const { success, crErrno } = decodeResponse(Buffer.from(stdout.trim(), "hex"));
  return `DUMP ${success ? "ok" : "false"}${crErrno === 0 ? "" : ` ${crErrno}`}`;
}
/** DUMP of pid 1 with images_dir_fd 0. */
const DUMP_OF_INIT = "0801120408001001";

const swrk = (input: string, args: readonly string[], ours: string): Done => ({
  input: `swrk ${input}`,
  theirs: ours,
  ours,
  act: async () => `status ${spawnSync(stasis, ["swrk", ...args], { stdio: ["ignore", "ignore", "ignore"] }).status}`,
});

export const serviceProcess: readonly Done[] = [
  {
    input: "a message of 400 kB",
    theirs: "EMSGSIZE where it is sent",
    ours: "EMSGSIZE where it is sent",
    async act({ service }) {
      using socket = newSocket();
      connectTo(socket.fd, service.path);
      try {
        sendPacket(socket.fd, new Uint8Array(400_000));
        return "sent";
      } catch (error) {
        return `${error instanceof SyscallError ? error.errno : error} where it is sent`;
      }
    },
  },
  {
    input: "a client that says nothing, with --idle-timeout 1 (its default is 300)",
    theirs: "a worker waits, for ever",
    ours: CLOSED,
    why: "clients that are stuck would use up the workers",
    async act({ directory }) {
      await using service = await startServiceIn(directory, "idle", "-v0", "--idle-timeout", "1");
      using socket = newSocket();
      connectTo(socket.fd, service.path);
      setNonBlocking(socket.fd);
      return (await receiveMessageAsync(socket.fd)) === undefined ? CLOSED : "an answer";
    },
  },
  {
    input: "a client of another user",
    theirs: "served as root",
    ours: "DUMP false 13",
    why: "any user could dump and kill any process; --allow lets users in, as themselves",
    async act({ service }) {
      chmodSync(dirname(service.path), 0o755);
      return answerTo(asNobody, service.path, DUMP_OF_INIT);
    },
  },
  {
    input: "a connection that a process made which is gone, with images_dir_fd",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    act: async ({ service }) => answerTo(handedOver, service.path, DUMP_OF_INIT),
  },
  {
    input: "swrk on a SOCK_STREAM socket",
    theirs: "status 255",
    ours: "status 255",
    async act() {
      // A pipe of Node is a pair of such sockets.
      const { status } = spawnSync(stasis, ["swrk", "3"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
      return `status ${status}`;
    },
  },
  swrk("on a descriptor that is not open", ["99"], "status 255"),
  swrk("without a descriptor", [], "status 1"),
  swrk("with two", ["3", "4"], "status 1"),
  {
    input: "swrk without a request",
    theirs: "status 255",
    ours: "status 255",
    async act() {
      const [ours, theirs] = newSocketPair();
      ours[Symbol.dispose]();
      using end = theirs;
      return `status ${spawnSync(stasis, ["swrk", "3"], { stdio: ["ignore", "ignore", "ignore", end.fd] }).status}`;
    },
  },
  {
    input: "swrk -R -W DIRECTORY, and a DUMP that says nothing of these",
    theirs: "DUMP ok, it runs on, the log is in DIRECTORY",
    ours: "DUMP ok, it runs on, the log is in DIRECTORY",
    async act(world) {
      await using program = await world.start();
      const workDirectory = world.images();
      const client = spawn(stasis, { arguments: ["-R", "-W", workDirectory] });
      const outcome = await said("DUMP", client.dump({ pid: program.pid, imagesDirectory: world.images() }));
      const state = readStat(asPid(program.pid))?.state === "S" ? "it runs on" : "it has ended";
      const log = existsSync(join(workDirectory, "criu.log")) ? "the log is in DIRECTORY" : "the log is elsewhere";
      return `${outcome}, ${state}, ${log}`;
    },
  },
  {
    input: "service -R, and a DUMP that says nothing of it",
    theirs: "DUMP ok, it has ended",
    ours: "DUMP ok, it has ended",
    async act(world) {
      await using service = await startServiceIn(world.directory, "running", "-v0", "-R");
      await using program = await world.start();
      const dump = connect(service.path).dump({ pid: program.pid, imagesDirectory: world.images() });
      const outcome = await said("DUMP", dump);
      await program.gone();
      return `${outcome}, it has ended`;
    },
  },
  {
    input: "service --action-script FILE, and a DUMP",
    theirs: "FILE is run at the start, and at the steps of each request",
    ours: "FILE is run at the start",
    why: "no other option of the service reaches into requests; a request's own config_file may name scripts",
    async act(world) {
      const script = join(world.images(), "script");
      writeFileSync(script, `#!/bin/sh\necho "$CRTOOLS_SCRIPT_ACTION" >> ${script}.told\n`);
      chmodSync(script, 0o755);
      await using service = await startServiceIn(world.directory, "scripts", "-v0", "--action-script", script);
      await using program = await world.start();
      await connect(service.path).dump({ pid: program.pid, imagesDirectory: world.images(), leaveRunning: true });
      const told = readFileSync(`${script}.told`, "utf8");
      return `FILE is run at the start${told === "status-ready\n" ? "" : `, and for ${told}`}`;
    },
  },
  start("--address of 120 characters", () => ["--address", `/tmp/${"x".repeat(115)}`], {
    theirs: "it runs, on the first 107 of them",
    why: "a path that is cut is another path",
  }),
  start("--address in a directory that is not there", () => ["--address", "/nowhere/socket"]),
  start("--address of a regular file", (world) => ["--address", fileIn(world)], {
    theirs: "it runs, the file is deleted",
    why: NO_SURPRISE,
  }),
  start("--address of a directory", (world) => ["--address", world.images()]),
  start("--address where another service listens", ({ service }) => ["--address", service.path], {
    theirs: "it runs, and the other one is not reached any more",
    why: NO_SURPRISE,
  }),
  start("-W of a directory that is not there", () => ["-W", "/nowhere"]),
  {
    input: "--pidfile that is there already",
    theirs: "status 1, the socket stays",
    ours: "status 1, no socket",
    why: "nothing is left of a service that did not start",
    async act(world) {
      const address = join(world.images(), "socket");
      const { status } = spawnSync(stasis, ["service", "-v0", "--address", address, "--pidfile", fileIn(world)]);
      return `status ${status}, ${existsSync(address) ? "the socket stays" : "no socket"}`;
    },
  },
  {
    input: "SIGTERM",
    theirs: "status 143, socket and pid file stay",
    ours: "status 0, nothing stays",
    why: "the next start is not in their way",
    async act(world) {
      const directory = join(world.images(), "place");
      mkdirSync(directory);
      const pidfile = join(directory, "pid");
      const service = await startServiceIn(directory, "ends", "-v0", "--pidfile", pidfile);
      if (!lstatSync(service.path).isSocket() || readFileSync(pidfile, "utf8") === "") return "it has not started";
      const status = await service.stop("SIGTERM");
      return `status ${status}, ${existsSync(service.path) || existsSync(pidfile) ? "something stays" : "nothing stays"}`;
    },
  },
];
