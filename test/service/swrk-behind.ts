// swrk in the place of a shell that has started something before: its children are the worker's.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { newSocketPair, sendPacket, setNonBlocking } from "../../src/kernel/packets.js";
import { receiveMessageAsync } from "../../src/protocol/framing.js";
import { CriuReqSchema, type CriuResp } from "../../src/protocol/gen/rpc_pb.js";
import { encodeRequest } from "../../src/protocol/request.js";
import { decodeResponse } from "../../src/protocol/response.js";
import { program } from "./running-service.js";

const POLL_MS = 5;

/** `before` is a shell command that prints a pid. Result: the answers to the one request about it, and what swrk exits with. */
export async function swrkBehind(
  before: string,
  request: (pid: number) => MessageInitShape<typeof CriuReqSchema>,
): Promise<{ readonly answers: readonly CriuResp[]; readonly status: number | null }> {
  const [ours, theirs] = newSocketPair();
  using mine = ours;
  setNonBlocking(mine.fd);
  const shell = spawn("sh", ["-c", `${before}; exec ${program} swrk 3`], {
    stdio: ["ignore", "pipe", "inherit", theirs.fd],
  });
  const exited = once(shell, "exit");
  theirs[Symbol.dispose]();
  const { stdout } = shell;
  if (stdout === null) throw new Error("the shell has no output");
  const [said] = await once(stdout, "data");
  // A shell would take the exit of its child away.
  const isShell = () => !readFileSync(`/proc/${shell.pid}/cmdline`, "utf8").startsWith("node");
  while (isShell()) await delay(POLL_MS);
  sendPacket(mine.fd, encodeRequest(create(CriuReqSchema, request(Number(String(said))))));
  const answers: CriuResp[] = [];
  for (
    let packet = await receiveMessageAsync(mine.fd);
    packet !== undefined;
    packet = await receiveMessageAsync(mine.fd)
  )
    answers.push(decodeResponse(packet.data));
  const [status] = await exited;
  return { answers, status: typeof status === "number" ? status : null };
}
