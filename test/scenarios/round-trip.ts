// A service of ours, and whole trips of a process tree through it: dumped over criurpc, seen to be gone, restored.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DumpOptions } from "../../src/index.js";
import { type CriuClient, connect, type OnNotify } from "../../src/index.js";
import { SIG } from "../../src/kernel/abi/signal.js";
import { asPid, type Pid } from "../../src/kernel/brand.js";
import { unless } from "../../src/kernel/errno.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { listChildren } from "../../src/kernel/proc/tasks.js";
import { sys } from "../../src/kernel/syscalls.js";
import { startServiceBy } from "../service/running-service.js";

const POLL_MS = 10;
const PATIENCE_MS = 30_000;

/** A running service with a place for images. */
export interface Service extends AsyncDisposable {
  readonly client: CriuClient;
  /** The path of its socket. */
  readonly address: string;
  /** A new empty directory. */
  images(): string;
}

/** `command`: what starts it, e.g. in namespaces. */
export async function startService({ command = [] }: { readonly command?: readonly string[] } = {}): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), "stasis-service-"));
  const service = await startServiceBy(command, directory, "stasis");
  const address = service.path;
  const client = connect(address);
  let made = 0;
  return {
    client,
    address,
    images() {
      made += 1;
      const images = join(directory, `images-${made}`);
      mkdirSync(images);
      return images;
    },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await service.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** All processes of a tree, the root first. */
export function treeOf(root: Pid): Pid[] {
  return [root, ...listChildren(root).flatMap(treeOf)];
}

/** Ends every process of a tree with the scope: those in sessions of their own survive the end of their root. */
export function endingWith(root: Pid): Disposable {
  const tree = treeOf(root);
  return {
    [Symbol.dispose]() {
      for (const pid of tree) unless("ESRCH", () => sys.kill(pid, SIG.SIGKILL));
    },
  };
}

export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`it never came about that ${what}`);
    await sleep(POLL_MS);
  }
}

export interface TripOptions {
  /** The dump leaves it running; it is killed then. */
  readonly leaveRunning?: boolean;
  readonly options?: DumpOptions;
  readonly onNotify?: OnNotify;
}

/** The processes and threads that images have. A program that forks all the time was another tree when the dump was asked for. */
function dumpedIn(imagesDirectory: string): Pid[] {
  return readdirSync(imagesDirectory).flatMap((name) => {
    const [, pid] = /^core-(\d+)\.img$/.exec(name) ?? [];
    return pid === undefined ? [] : [asPid(Number(pid))];
  });
}

/** Dumps the tree and restores it; result: the notifications in their order. In between nothing of it is left. */
export async function roundTrip(
  service: Service,
  root: Pid,
  { leaveRunning = false, options = {}, onNotify: also }: TripOptions = {},
): Promise<string[]> {
  const imagesDirectory = service.images();
  const scripts: string[] = [];
  const onNotify: OnNotify = (notification) => {
    scripts.push(notification.script);
    return also?.(notification);
  };
  await service.client.dump({ ...options, pid: root, imagesDirectory, leaveRunning }, { onNotify });
  const tree = dumpedIn(imagesDirectory);
  if (leaveRunning) for (const pid of tree) unless("ESRCH", () => sys.kill(pid, SIG.SIGKILL));
  await until("every dumped process is gone", () => tree.every((pid) => readStat(pid) === undefined));
  const { pid } = await service.client.restore({ ...options, imagesDirectory }, { onNotify });
  if (asPid(pid) !== root) throw new Error(`pid ${root} came back as ${pid}`);
  return scripts;
}
