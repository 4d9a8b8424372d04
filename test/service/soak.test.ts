// Many requests of every kind to one service, one in ten malformed or abandoned, and nothing is left of them. By hand with more:
// STASIS_SOAK=10000 node --test dist/test/service/soak.test.js
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type CriuClient, CriuRequestError, connect } from "../../src/index.js";
import { asPid } from "../../src/kernel/brand.js";
import { connectTo, newSocket, sendPacket } from "../../src/kernel/packets.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { CriuReqSchema, CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { encodeRequest } from "../../src/protocol/request.js";
import { startExecutable } from "../support/program.js";
import { startServiceIn } from "./running-service.js";

const REQUESTS = Number(process.env["STASIS_SOAK"] ?? 60);
const WORKERS = 2;
const directory = mkdtempSync(join(tmpdir(), "soak-"));
after(() => rmSync(directory, { recursive: true }));

interface Around {
  readonly client: CriuClient;
  readonly path: string;
  readonly pid: number;
  readonly imagesDirectory: string;
  /** For dumps whose client has left: they may go on beside the next one. */
  readonly leftDirectory: string;
}
type Step = (around: Around) => Promise<unknown>;

const fails = async (asked: Promise<unknown>) => {
  const error: unknown = await asked.catch((reason: unknown) => reason);
  assert.ok(error instanceof CriuRequestError, String(error));
};
const LEFT_DUMP_MS = 60_000;
/** Asks again as long as a dump whose client has left has the target; such a dump ends. */
async function inTurn<T>(ask: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + LEFT_DUMP_MS; ; ) {
    try {
      return await ask();
    } catch (error) {
      const isBusy = error instanceof CriuRequestError && / traces it;/.test(error.crErrmsg);
      if (!isBusy || performance.now() > end) throw error;
      await delay(10);
    }
  }
}
const dumpRunning: Step = ({ client, pid, imagesDirectory }) =>
  inTurn(() => client.dump({ pid, imagesDirectory, leaveRunning: true }));

/** Sends bytes and leaves without looking at the answer. */
const abandon = (hex: string): Step =>
  async function leave({ path }) {
    using socket = newSocket();
    connectTo(socket.fd, path);
    if (hex !== "") sendPacket(socket.fd, Buffer.from(hex, "hex"));
  };

const steps: readonly Step[] = [
  ({ client }) => client.version(),
  ({ client }) => client.check(),
  dumpRunning,
  ({ client }) => client.featureCheck({ memTrack: true }),
  ({ client, imagesDirectory }) => fails(client.dump({ pid: 4_194_303, imagesDirectory })),
  ({ client, imagesDirectory }) => client.cpuinfoDump({ imagesDirectory }),
  ({ client, imagesDirectory }) => client.cpuinfoCheck({ imagesDirectory }),
  ({ client, imagesDirectory, pid }) => fails(client.singlePreDump({ pid, imagesDirectory })),
  ({ client, imagesDirectory }) => fails(client.pageServer({ imagesDirectory })),
  ({ client, imagesDirectory }) => fails(client.restore({ imagesDirectory })),
  dumpRunning,
  ({ client, pid, imagesDirectory }) => fails(client.dump({ pid, imagesDirectory }, { onNotify: () => false })),
];
/** Asks for a dump, and leaves at once, or when it is told of a step. */
const abandonDump = (leaveAt?: string): Step =>
  async function leave({ client, pid, leftDirectory: imagesDirectory, path }) {
    const leaving = new AbortController();
    const onNotify = ({ script }: { readonly script: string }) => {
      if (script === leaveAt) leaving.abort(new Error("left"));
      return undefined;
    };
    const options = { pid, imagesDirectory, leaveRunning: true };
    if (leaveAt !== undefined) {
      const call = { signal: leaving.signal, onNotify };
      return assert.rejects(
        inTurn(() => client.dump(options, call)),
        { message: "left" },
      );
    }
    using socket = newSocket();
    connectTo(socket.fd, path);
    const opts = { imagesDirFd: -1, imagesDir: imagesDirectory, pid, leaveRunning: true };
    sendPacket(socket.fd, encodeRequest(create(CriuReqSchema, { type: CriuReqType.DUMP, opts })));
    return undefined;
  };
const odd = [
  ...["", "ff", "0801", "1202ffff", "080112", "ff".repeat(3000), "080a", "0803"].map(abandon),
  ...["pre-dump", "query-ext-files", "post-dump", undefined].map(abandonDump),
];
const CYCLE_EVERY = 20;

const openFiles = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
const residentKib = (pid: number) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);

/** Those that serve have finished, and as many wait as shall. */
async function settled(pid: number): Promise<void> {
  const title = (child: string) => readFileSync(`/proc/${child}/cmdline`, "utf8");
  const waiting = () => childrenOf(pid).filter((child) => title(child).includes("waiting")).length;
  const end = performance.now() + 60_000;
  while ((waiting() !== WORKERS || childrenOf(pid).length !== WORKERS) && performance.now() < end) await delay(50);
  assert.deepEqual([waiting(), childrenOf(pid).length], [WORKERS, WORKERS]);
}

test(`${REQUESTS} requests later no descriptor, process, tracee or memory is left`, async (t) => {
  await using service = await startServiceIn(directory, "soak", "-v0", "--workers", String(WORKERS));
  await using program = await startExecutable("/usr/bin/python3", {
    arguments: ["-c", "import time; print('ready', flush=True); time.sleep(100000)"],
  });
  await using client = connect(service.path);
  const imagesDirectory = join(directory, "images");
  const leftDirectory = join(directory, "left");
  for (const path of [imagesDirectory, leftDirectory]) mkdirSync(path);
  const around: Around = { client, path: service.path, pid: program.pid, imagesDirectory, leftDirectory };
  const supervisor = Number(service.process.pid);
  for (const step of steps) await step(around);
  await settled(supervisor);
  const before = { files: openFiles(supervisor), ours: openFiles(process.pid), kib: residentKib(supervisor) };
  for (let request = 0; request < REQUESTS; request++) {
    const leaving = request % 10 === 9 ? odd[((request / 10) % odd.length) | 0] : undefined;
    await (leaving ?? steps[request % steps.length])?.(around);
    if (request % CYCLE_EVERY === CYCLE_EVERY - 1) {
      await inTurn(() => client.dump({ pid: program.pid, imagesDirectory }));
      await program.gone();
      await client.restore({ imagesDirectory });
    }
  }
  await settled(supervisor);
  const now = { files: openFiles(supervisor), ours: openFiles(process.pid), kib: residentKib(supervisor) };
  t.diagnostic(`supervisor: ${before.kib} KiB before, ${now.kib} KiB after; ${now.files} descriptors`);
  assert.deepEqual([now.files, now.ours], [before.files, before.ours]);
  assert.ok(now.kib < before.kib + 64 * 1024, `${before.kib} KiB became ${now.kib}`);
  assert.equal(readStat(program.pid)?.state, "S");
  assert.equal(readStatus(asPid(program.pid))?.tracerPid ?? 0, 0);
});
