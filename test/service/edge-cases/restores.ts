// What is restored: pids that are taken, images that are damaged, options that do not fit.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isList, isObject } from "../../../src/images/crit/json.js";
import { encodeImage, type JsonObject, openImages } from "../../../src/images/library.js";
import { CriuReqType } from "../../../src/protocol/gen/rpc_pb.js";
import { swrkBehind } from "../swrk-behind.js";
import { type Done, LATER } from "./case.js";
import { said, type World } from "./world.js";

const FAILS = "RESTORE false";
const CHECKED_FIRST = "all images are read before anything is made";

/** Images of a small program; the change to a copy of them, and what a restore says then. */
const damaged = (input: string, change: (directory: string) => void, differs: Partial<Done> = {}): Done => ({
  input,
  theirs: FAILS,
  ours: FAILS,
  ...differs,
  async act(world) {
    const dumped = await world.dumped();
    await using _ = dumped.program;
    return await world.restoreAfter(dumped, change);
  },
});
const theFile = (directory: string, pattern: RegExp): string =>
  join(directory, readdirSync(directory).find((name) => pattern.test(name)) ?? "none");
const without = (pattern: RegExp) => (directory: string) => rmSync(theFile(directory, pattern));
const cut = (pattern: RegExp, bytes: number) => (directory: string) => truncateSync(theFile(directory, pattern), bytes);

function overwrite(pattern: RegExp, at: number) {
  return (directory: string): void => {
    const file = theFile(directory, pattern);
    const bytes = readFileSync(file);
    bytes.fill(0xa5, at, at + 4);
    writeFileSync(file, bytes);
  };
}

/** Changes the one entry of the inventory. */
function inventory(change: (entry: Record<string, unknown>) => void) {
  return (directory: string): void => {
    const image: JsonObject = openImages(directory).toJson("inventory");
    const [entry] = isList(image["entries"]) ? image["entries"] : [];
    if (!isObject(entry)) throw new Error("the inventory has no entry");
    const changed = { ...entry };
    change(changed);
    writeFileSync(join(directory, "inventory.img"), encodeImage({ ...image, entries: [changed] }));
  };
}

async function restoreOf(world: World, dump: object, restore: object, code = ""): Promise<string> {
  const { program, imagesDirectory } = await world.dumped(dump, code);
  await using _ = program;
  return await said("RESTORE", world.client.restore({ imagesDirectory, ...restore }));
}

const connected = `import socket
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen()
c = socket.create_connection(l.getsockname()); a, _ = l.accept()`;

export const restores: readonly Done[] = [
  {
    input: "a pid that is alive",
    theirs: "RESTORE false 17",
    ours: "RESTORE false 17",
    async act(world) {
      await using program = await world.start();
      const imagesDirectory = world.images();
      await world.client.dump({ pid: program.pid, imagesDirectory, leaveRunning: true });
      return await said("RESTORE", world.client.restore({ imagesDirectory }));
    },
  },
  {
    input: "a pid that somebody who has outlived the tree has for a session",
    theirs: "RESTORE false 17",
    ours: "RESTORE false 17",
    act: (world) =>
      restoreOf(
        world,
        {},
        {},
        `import os, time
if os.fork() == 0:
    if os.fork() == 0: time.sleep(100000)
    os._exit(0)
os.wait()`,
      ),
  },
  {
    input: "at once after the dump, while the parent has not waited for the zombie",
    theirs: "RESTORE false 17",
    ours: "RESTORE false 17",
    async act(world) {
      await using parent = await world.start(
        'import subprocess; print("pid", subprocess.Popen(["sleep", "100000"], start_new_session=True).pid)',
      );
      const pid = Number(/^pid (\d+)$/m.exec(parent.output())?.[1]);
      const imagesDirectory = world.images();
      await world.client.dump({ pid, imagesDirectory });
      return await said("RESTORE", world.client.restore({ imagesDirectory }));
    },
  },
  {
    input: "the same images twice at the same time",
    theirs: "RESTORE false 17, RESTORE ok",
    ours: "RESTORE false 17, RESTORE ok",
    async act(world) {
      const { program, imagesDirectory } = await world.dumped();
      await using _ = program;
      const restore = () => said("RESTORE", world.client.restore({ imagesDirectory }));
      const both = await Promise.all([restore(), restore()]);
      return both
        .map((one) => one.replace(/, the pid.*/, ""))
        .sort()
        .join(", ");
    },
  },
  damaged("an empty directory", (directory) => {
    for (const file of readdirSync(directory)) rmSync(join(directory, file));
  }),
  damaged("no inventory.img", without(/^inventory/)),
  damaged("an inventory.img of 0 bytes", cut(/^inventory/, 0)),
  damaged("an inventory.img that is cut", cut(/^inventory/, 10)),
  damaged("an inventory.img with another magic for all images", overwrite(/^inventory/, 0)),
  damaged("an inventory.img with another magic of its own", overwrite(/^inventory/, 4)),
  damaged(
    "an inventory.img of an unknown version",
    inventory((entry) => Object.assign(entry, { img_version: 9 })),
  ),
  damaged(
    "the directory of a pre-dump: its inventory.img has version 0",
    inventory((entry) => Object.assign(entry, { img_version: 0 })),
  ),
  damaged(
    "an inventory.img without fdinfo_per_id",
    inventory((entry) => delete entry["fdinfo_per_id"]),
  ),
  damaged("no pstree.img", without(/^pstree/), { theirs: "closed, no answer", why: "CRIU's worker crashes" }),
  damaged("a pstree.img with another magic", overwrite(/^pstree/, 4)),
  damaged("no ids-PID.img", without(/^ids-/), {
    theirs: FAILS,
    ours: "RESTORE ok",
    why: "what it says is in core-PID.img too",
  }),
  damaged("no core-PID.img", without(/^core-/)),
  damaged("a core-PID.img that is cut", cut(/^core-/, 100)),
  damaged("a core-PID.img of which a part is garbage", overwrite(/^core-/, 12)),
  ...["mm", "fs"].map((name) =>
    damaged(`no ${name}-PID.img`, without(new RegExp(`^${name}-`)), {
      theirs: `${FAILS}, the pid of a root that was`,
      why: CHECKED_FIRST,
    }),
  ),
  damaged("no pagemap-PID.img", without(/^pagemap-\d/)),
  damaged("no pages-N.img", without(/^pages-/)),
  damaged("a pages-N.img that is shorter than pagemap-PID.img says", cut(/^pages-/, 4096), {
    theirs: "no answer, ever",
    why: "CRIU's restore reads the end of the file again and again",
  }),
  damaged("no files.img", without(/^files/)),
  damaged("no fdinfo-N.img, as of a process without descriptors", without(/^fdinfo-/), {
    theirs: "RESTORE ok",
    ours: "RESTORE ok",
  }),
  damaged(
    "no seccomp.img, timens-0.img and stats-dump",
    (directory) => {
      for (const name of ["seccomp.img", "timens-0.img", "stats-dump"]) rmSync(join(directory, name), { force: true });
    },
    { theirs: "RESTORE ok", ours: "RESTORE ok" },
  ),
  {
    input: "cpu_cap, and no cpuinfo.img",
    theirs: FAILS,
    ours: FAILS,
    act: (world) => restoreOf(world, {}, { cpuCap: 5 }),
  },
  {
    input: "a dump with tcp_close, restored without",
    theirs: FAILS,
    ours: "RESTORE false 56",
    why: "it is an option that is wrong",
    act: (world) => restoreOf(world, { tcpClose: true }, {}, connected),
  },
  {
    input: "a dump with file_locks, restored without",
    theirs: "RESTORE ok, without the lock",
    ours: "RESTORE ok, with the lock",
    why: "the lock is in the images, and the program counts on it",
    async act(world) {
      const lock = 'import fcntl; f = open("f", "w"); fcntl.flock(f, fcntl.LOCK_EX)';
      const { program, imagesDirectory } = await world.dumped({ fileLocks: true }, lock);
      await using _ = program;
      const outcome = await said("RESTORE", world.client.restore({ imagesDirectory }));
      const file = join(program.directory, "f");
      const { status } = spawnSync("flock", ["--nonblock", file, "true"]);
      return `${outcome}, ${status === 0 ? "without" : "with"} the lock`;
    },
  },
  {
    input: "auto_dedup",
    theirs: "RESTORE ok, once: the pages are gone from the images",
    ours: "RESTORE false 56",
    why: LATER,
    act: (world) => restoreOf(world, {}, { autoDedup: true }),
  },
  {
    input: "exec_cmd of a program that is not there, to swrk",
    theirs: "RESTORE ok, swrk exits with 1",
    ours: "RESTORE ok, swrk exits with 1",
    async act(world) {
      const { program, imagesDirectory: imagesDir } = await world.dumped();
      await using _ = program;
      const opts = { imagesDirFd: -1, imagesDir, execCmd: ["/nowhere/program"] };
      const { answers, status } = await swrkBehind("echo 1", () => ({ type: CriuReqType.RESTORE, opts }));
      return `RESTORE ${answers[0]?.success ? "ok" : "false"}, swrk exits with ${status}`;
    },
  },
];
