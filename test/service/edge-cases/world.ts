// Where a row is brought about that needs a service, programs to dump, or images.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type CriuClient, CriuRequestError, connect } from "../../../src/index.js";
import { connectTo, newSocket, sendPacket, setNonBlocking } from "../../../src/kernel/packets.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { receiveMessageAsync } from "../../../src/protocol/framing.js";
import { CriuReqSchema, CriuReqType } from "../../../src/protocol/gen/rpc_pb.js";
import { encodeRequest } from "../../../src/protocol/request.js";
import { decodeResponse } from "../../../src/protocol/response.js";
import { type Program, startExecutable } from "../../support/program.js";
import { type RunningService, startServiceIn } from "../running-service.js";
import { CLOSED } from "./case.js";

export type Init = Omit<MessageInitShape<typeof CriuReqSchema>, "$typeName">;
const SLEEPING = "import time; print('ready', flush=True); time.sleep(100000)";

export class World implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "edge-world-"));
  readonly client: CriuClient;
  #made = 0;

  private constructor(
    readonly service: RunningService,
    readonly ownDirectory: string,
  ) {
    this.client = connect(service.path);
  }

  static async begin(): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), "edge-service-"));
    return new World(await startServiceIn(directory, "edge", "-v0"), directory);
  }

  /** A new directory. */
  readonly images = (): string => {
    const path = join(this.directory, `${++this.#made}`);
    mkdirSync(path);
    return path;
  };

  /** Python, which runs these lines and sleeps. */
  start(code = ""): Promise<Program> {
    return startExecutable("/usr/bin/python3", { arguments: ["-c", `${code}\n${SLEEPING}`] });
  }

  /** A program that was dumped and has ended, and its images. */
  async dumped(options: object = {}, code = ""): Promise<{ program: Program; imagesDirectory: string }> {
    const program = await this.start(code);
    const imagesDirectory = this.images();
    await this.client.dump({ pid: program.pid, imagesDirectory, ...options });
    await program.gone();
    return { program, imagesDirectory };
  }

  /** Restores a copy of these images after a change to them; what came back is ended again. */
  async restoreAfter(of: { program: Program; imagesDirectory: string }, change: (directory: string) => void) {
    const { program } = of;
    const imagesDirectory = this.images();
    cpSync(of.imagesDirectory, imagesDirectory, { recursive: true });
    change(imagesDirectory);
    const outcome = await said("RESTORE", this.client.restore({ imagesDirectory }));
    if (readStat(program.pid) !== undefined) {
      await program.end();
      await program.gone();
    }
    return outcome;
  }

  /** Sends a request, agrees to the steps before `leaveAt`, and leaves when it is told of that one; absent: at once. */
  async leave(request: Init, leaveAt?: string): Promise<void> {
    using socket = newSocket();
    connectTo(socket.fd, this.service.path);
    sendPacket(socket.fd, encodeRequest(create(CriuReqSchema, request)));
    if (leaveAt === undefined) return;
    setNonBlocking(socket.fd);
    for (;;) {
      const packet = await receiveMessageAsync(socket.fd);
      const script = packet === undefined ? undefined : decodeResponse(packet.data).notify?.script;
      if (script === leaveAt) return;
      if (script === undefined) throw new Error(`${leaveAt} was not told`);
      const agreed = create(CriuReqSchema, { type: CriuReqType.NOTIFY, notifySuccess: true });
      sendPacket(socket.fd, encodeRequest(agreed));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.stop();
    for (const path of [this.directory, this.ownDirectory]) rmSync(path, { recursive: true });
  }
}

/** What came of a request of the client, as in the table. */
export async function said(type: string, asked: Promise<unknown>): Promise<string> {
  const error: unknown = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return `${type} ok`;
  if (error instanceof CriuRequestError) {
    const { request, crErrno, pid } = error;
    return `${request} false${crErrno === 0 ? "" : ` ${crErrno}`}${pid === undefined ? "" : ", the pid of a root that was"}`;
  }
  if (error instanceof Error && error.name === "ConnectionClosed") return CLOSED;
  throw error;
}

export async function until(what: string, holds: () => boolean, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() >= end) throw new Error(`it never came about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
