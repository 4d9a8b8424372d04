// What the kernel shows of a process, without what is different after a restore by nature: to be compared before and after.
import { IOPRIO_WHO_PROCESS } from "../../src/kernel/abi/sched.js";
import type { Pid } from "../../src/kernel/brand.js";
import {
  readCoredumpFilter,
  readLoginuid,
  readOomScoreAdj,
  readPersonality,
  readTimerSlack,
} from "../../src/kernel/proc/attributes.js";
import { readAuxv } from "../../src/kernel/proc/auxv.js";
import { type Fdinfo, listFds, readFdinfo, readFdLink } from "../../src/kernel/proc/fdinfo.js";
import { readLimits } from "../../src/kernel/proc/limits.js";
import { type Mapping, readMappings } from "../../src/kernel/proc/maps.js";
import { readProcLink } from "../../src/kernel/proc/read.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus, readThreadStatus } from "../../src/kernel/proc/status.js";
import { listChildren, listThreads } from "../../src/kernel/proc/tasks.js";
import { readTimers } from "../../src/kernel/proc/timers.js";
import { sys } from "../../src/kernel/syscalls.js";

/** Of a process and all below it. */
export function treeView(root: Pid): unknown[] {
  const view = readStat(root)?.state === "Z" ? zombieView(root) : kernelView(root);
  return [view, ...listChildren(root).flatMap(treeView)];
}

/** Signals and the like mean nothing any more. */
function zombieView(pid: Pid) {
  const stat = readStat(pid);
  return { pid, zombie: stat?.comm, pgrp: stat?.pgrp, session: stat?.session, exitCode: stat?.exitCode };
}

/**
 * A plain value for assert.deepEqual(kernelView(pid), before). Left out: the parent (of the root it changes), times, page
 * counts, mount ids, inode numbers of pipes, sockets and shared memory (these are numbered by first appearance instead).
 */
export function kernelView(pid: Pid) {
  const objects = new Objects();
  return {
    ...ofProcess(pid),
    mappings: mappingsOf(pid, objects),
    files: listFds(pid).map((fd) => {
      const link = readFdLink(pid, fd);
      return [fd, objects.name(link), fdinfoOf(readFdinfo(pid, fd), link?.startsWith("socket:") === true)];
    }),
    links: ["cwd", "root", "exe"].map((name) => `${name} -> ${readProcLink(pid, name)}`),
    limits: readLimits(pid),
    timers: readTimers(pid),
    auxv: readAuxv(pid),
    attributes: [readOomScoreAdj(pid), readCoredumpFilter(pid), readPersonality(pid), readLoginuid(pid)],
    threads: listThreads(pid).map((tid) => threadOf(pid, tid)),
  };
}

/** "pipe:[81234]" is "pipe:[1]" before and after, when it is the first object that is seen. */
class Objects {
  readonly #numbers = new Map<string, number>();

  name(link = ""): string {
    return link.replace(/^(pipe|socket):\[\d+\]$/, (object, kind) => `${kind}:[${this.number(object)}]`);
  }

  number(object: string): number {
    const known = this.#numbers.get(object) ?? this.#numbers.size + 1;
    this.#numbers.set(object, known);
    return known;
  }
}

function ofProcess(pid: Pid) {
  const stat = readStat(pid);
  const status = readStatus(pid);
  if (stat === undefined || status === undefined) throw new Error(`no process ${pid}`);
  const { pgrp, session, ttyNr, exitSignal, startCode, endCode, startStack, startData, endData } = stat;
  const { startBrk, argStart, argEnd, envStart, envEnd } = stat;
  const { umask, nsPids, shdPnd, sigIgn, sigCgt, coredumping, thpEnabled } = status;
  return {
    ids: { pgrp, session, ttyNr, exitSignal, nsPids },
    layout: { startCode, endCode, startStack, startData, endData, startBrk, argStart, argEnd, envStart, envEnd },
    process: { umask, shdPnd, sigIgn, sigCgt, coredumping, thpEnabled },
  };
}

function threadOf(pid: Pid, tid: Pid) {
  const stat = readStat(tid);
  const status = readThreadStatus(pid, tid);
  if (stat === undefined || status === undefined) throw new Error(`no thread ${tid}`);
  const { name, uids, gids, groups, sigPnd, sigBlk, capInh, capPrm, capEff, capBnd, capAmb } = status;
  const { noNewPrivs, seccomp, seccompFilters } = status;
  return {
    tid,
    name,
    credentials: { uids, gids, groups, capInh, capPrm, capEff, capBnd, capAmb, noNewPrivs },
    signals: { sigPnd, sigBlk },
    seccomp: { seccomp, seccompFilters },
    scheduling: { nice: stat.nice, policy: stat.policy, rtPriority: stat.rtPriority, processors: processorsOf(tid) },
    urgency: [sys.ioprio_get(IOPRIO_WHO_PROCESS, tid), readTimerSlack(tid)],
  };
}

function processorsOf(tid: Pid): string {
  const mask = new Uint8Array(1024);
  return Buffer.from(mask.subarray(0, sys.sched_getaffinity(tid, mask.byteLength, mask))).toString("hex");
}

/** Neighbours that the kernel could have merged are one here: whether it did depends on the order of the calls. */
function mappingsOf(pid: Pid, objects: Objects): string[] {
  const merged: { start: bigint; end: bigint; offset: bigint; what: string }[] = [];
  for (const mapping of readMappings(pid)) {
    const what = showMapping(mapping, objects);
    const offset = mapping.inode === 0n ? 0n : mapping.offset;
    const last = merged.at(-1);
    const continues = last !== undefined && last.end === mapping.start && last.what === what;
    const inFile = mapping.inode === 0n || last?.offset === mapping.offset - (mapping.start - (last?.start ?? 0n));
    if (continues && inFile) last.end = mapping.end;
    else merged.push({ start: mapping.start, end: mapping.end, offset, what });
  }
  return merged.map(({ start, end, offset, what }) => `${hex(start)}-${hex(end)} ${hex(offset)} ${what}`);
}
const hex = (value: bigint) => value.toString(16);

/** sd: soft-dirty, set by any write. ac: accounted as memory of its own, from the first time that it could be written. */
const VOLATILE_FLAGS = ["sd", "ac"];

function showMapping(mapping: Mapping, objects: Objects): string {
  const { readable, writable, executable, shared, path, deleted, anonName = "", inode } = mapping;
  const rights = `${readable ? "r" : "-"}${writable ? "w" : "-"}${executable ? "x" : "-"}${shared ? "s" : "p"}`;
  const flags = [...mapping.vmFlags].filter((letters) => !VOLATILE_FLAGS.includes(letters)).join(" ");
  const object = deleted ? ` (deleted #${objects.number(`inode ${inode}`)})` : "";
  return `${rights} ${objects.name(path)}${object}${anonName && `[${anonName}]`} {${flags}}`;
}

/** Lines of fdinfo that count time or number objects. */
const VOLATILE_LINES = ["eventfd-id", "map_id", "it_value", "scm_fds", "ticks"];

function fdinfoOf(fdinfo: Fdinfo | undefined, isSocket: boolean) {
  if (fdinfo === undefined) return undefined;
  const lines = [...fdinfo.fields].filter(([key]) => !VOLATILE_LINES.includes(key));
  const fields = lines.map(([key, values]) => [key, values.map((value) => stableValue(key, value, isSocket)).sort()]);
  return { position: fdinfo.position, flags: fdinfo.flags.toString(8), fields };
}

function stableValue(key: string, value: string, isSocket: boolean): string {
  // Epoll shows the inode behind each descriptor; a lock begins with its place in the list of all locks.
  if (key === "tfd") return value.replace(/ino:\S+ sdev:\S+/, "");
  // A deleted file comes back as another inode.
  if (key === "inotify") return value.replace(/ino:\S+|f_handle:\S+/g, "");
  if (key !== "lock") return value;
  const lock = value.replace(/^\d+: /, "");
  // So does a socket.
  return isSocket ? lock.replace(/ \S+:\S+:\d+ /, " ") : lock;
}
