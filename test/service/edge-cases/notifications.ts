// Steps that the client is told of: what counts as a refusal, what a refusal does, and what becomes of the work of a client that leaves.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Notification } from "../../../src/index.js";
import { asPid } from "../../../src/kernel/brand.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { readStatus } from "../../../src/kernel/proc/status.js";
import { CriuReqType } from "../../../src/protocol/gen/rpc_pb.js";
import { acknowledgement, hex, type Request } from "../exchange.js";
import type { Asked, Done } from "./case.js";
import { said, until, type World } from "./world.js";

const { DUMP, RESTORE, NOTIFY } = CriuReqType;

const reply = (input: string, replies: readonly Request[]): Asked => ({
  input: `pre-dump is answered with ${input}`,
  theirs: "NOTIFY ok, DUMP false",
  ours: "NOTIFY ok, DUMP false",
  ask: (at) => [
    { type: DUMP, opts: { imagesDirFd: at.images, pid: 4711, notifyScripts: true, logLevel: 0 } },
    ...replies,
  ],
});

export const replies: readonly Asked[] = [
  reply("a request of type DUMP", [{ type: DUMP, notifySuccess: true }]),
  reply("NOTIFY without notify_success", [{ type: NOTIFY }]),
  reply("NOTIFY and notify_success false", [{ type: NOTIFY, notifySuccess: false }]),
  reply("what is no message", [hex("ff")]),
  reply("a packet of no bytes", [hex("")]),
  reply("nothing, and the connection is closed", []),
  {
    input: "three acknowledgements, sent behind a DUMP at once",
    theirs: "NOTIFY ok, NOTIFY ok, NOTIFY ok, DUMP ok",
    ours: "NOTIFY ok, NOTIFY ok, NOTIFY ok, DUMP ok",
    ask: (at) => [
      { type: DUMP, opts: { imagesDirFd: at.images, pid: 4711, notifyScripts: true } },
      ...[acknowledgement, acknowledgement, acknowledgement],
    ],
  },
];

const isRunning = (pid: number) => /^[SR]$/.test(readStat(asPid(pid))?.state ?? "gone");
/** The program is as it was before anybody looked at it. */
const runsOn = (pid: number) => until("it runs on", () => isRunning(pid) && readStatus(asPid(pid))?.tracerPid === 0);

const order = (
  input: string,
  steps: string,
  run: (world: World, told: (step: Notification) => undefined) => Promise<unknown>,
): Done => ({
  input,
  theirs: steps,
  ours: steps,
  async act(world) {
    const seen: string[] = [];
    await run(world, ({ script, pid }) => {
      seen.push(pid === undefined ? script : `${script} with a pid`);
      return undefined;
    });
    return seen.join(", ");
  },
});

const dumpRefusing = (script: string, ours: string): Done => ({
  input: `${script} is refused`,
  theirs: ours,
  ours,
  async act(world) {
    await using program = await world.start();
    const { pid } = program;
    const imagesDirectory = world.images();
    const outcome = await said(
      "DUMP",
      world.client.dump({ pid, imagesDirectory }, { onNotify: (step) => step.script !== script }),
    );
    await runsOn(pid);
    const has = (name: string) => existsSync(join(imagesDirectory, name));
    const images = has("inventory.img") ? `images ${has("stats-dump") ? "with" : "without"} statistics` : "no images";
    return `${outcome}, it runs on, ${images}`;
  },
});

const restoreRefusing = (script: string, ours: string): Done => ({
  input: `${script} is refused`,
  theirs: ours,
  ours,
  async act(world) {
    const { program, imagesDirectory } = await world.dumped();
    await using _ = program;
    const call = { onNotify: (step: Notification) => step.script !== script };
    const outcome = await said("RESTORE", world.client.restore({ imagesDirectory }, call));
    return `${outcome}, ${isRunning(program.pid) ? "it runs" : "nothing is left of it"}`;
  },
});

const opts = (imagesDir: string, more: object) => ({ imagesDirFd: -1, imagesDir, notifyScripts: true, ...more });

const dumpLeaving = (leaveAt: string): Done => ({
  input: `the client leaves instead of answering ${leaveAt}`,
  theirs: "it runs on",
  ours: "it runs on",
  async act(world) {
    await using program = await world.start();
    const { pid } = program;
    await world.leave({ type: DUMP, opts: opts(world.images(), { pid }) }, leaveAt);
    await runsOn(pid);
    return "it runs on";
  },
});

const restoreLeaving = (leaveAt: string, ours: "it runs" | "nothing is left of it"): Done => ({
  input: `the client leaves instead of answering ${leaveAt}`,
  theirs: ours,
  ours,
  async act(world) {
    const { program, imagesDirectory } = await world.dumped();
    await using _ = program;
    const { pid } = program;
    await world.leave({ type: RESTORE, opts: opts(imagesDirectory, {}) }, leaveAt);
    if (ours === "it runs") await runsOn(pid);
    else await program.gone();
    return ours;
  },
});

export const steps: readonly Done[] = [
  order("the steps of a dump", "pre-dump, query-ext-files, post-dump", async (world, onNotify) => {
    await using program = await world.start();
    const { pid } = program;
    await world.client.dump({ pid, imagesDirectory: world.images(), leaveRunning: true }, { onNotify });
  }),
  order(
    "the steps of a restore",
    "pre-restore, post-restore with a pid, pre-resume, post-resume",
    async (world, onNotify) => {
      const { program, imagesDirectory } = await world.dumped();
      await using _ = program;
      await world.client.restore({ imagesDirectory }, { onNotify });
    },
  ),
  dumpRefusing("pre-dump", "DUMP false, it runs on, no images"),
  dumpRefusing("query-ext-files", "DUMP false, it runs on, no images"),
  dumpRefusing("post-dump", "DUMP false, it runs on, images without statistics"),
  restoreRefusing("pre-restore", "RESTORE false, nothing is left of it"),
  restoreRefusing("post-restore", "RESTORE false, the pid of a root that was, nothing is left of it"),
  restoreRefusing("pre-resume", "RESTORE ok, it runs"),
  restoreRefusing("post-resume", "RESTORE ok, it runs"),
  {
    input: "the client leaves when it has sent DUMP",
    theirs: "the images are whole, and it has ended",
    ours: "the images are whole, and it has ended",
    async act(world) {
      await using program = await world.start();
      const imagesDirectory = world.images();
      const { pid } = program;
      await world.leave({ type: DUMP, opts: { imagesDirFd: -1, imagesDir: imagesDirectory, pid } });
      await program.gone();
      await until("the images are whole", () => existsSync(join(imagesDirectory, "stats-dump")));
      return "the images are whole, and it has ended";
    },
  },
  {
    input: "the client leaves when it has sent RESTORE",
    theirs: "it runs",
    ours: "it runs",
    async act(world) {
      const { program, imagesDirectory: imagesDir } = await world.dumped();
      await using _ = program;
      await world.leave({ type: RESTORE, opts: { imagesDirFd: -1, imagesDir } });
      await until("it runs", () => readStat(program.pid) !== undefined);
      await runsOn(program.pid);
      return "it runs";
    },
  },
  ...["pre-dump", "query-ext-files", "post-dump"].map(dumpLeaving),
  restoreLeaving("pre-restore", "nothing is left of it"),
  restoreLeaving("post-restore", "nothing is left of it"),
  restoreLeaving("pre-resume", "it runs"),
  restoreLeaving("post-resume", "it runs"),
];
