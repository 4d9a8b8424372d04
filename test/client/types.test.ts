// Requests that are wrong do not compile. `npm run build` is the test: tsc says of every @ts-expect-error below which nothing is wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CriuCgMode, type CriuClient, CriuNetworkLockMethod, connect, spawn } from "../../src/index.js";
import { options } from "../../src/options/index.js";

const place = { imagesDirectory: "/images" } as const;

/** Never called. */
export const right = (service: CriuClient<"service">, child: CriuClient<"swrk">) => [
  service.dump({ ...place, pid: 1, leaveRunning: true, workDirFd: 4, networkLock: CriuNetworkLockMethod.SKIP }),
  service.dump({ imagesDirFd: 3, noSeccomp: true, unixSkIno: [{ inode: 7 }], ps: { address: "::1", port: 7 } }),
  service.dump({ imagesDir: "/as/the/service/sees/it", manageCgroupsMode: CriuCgMode.SOFT, trackMem: true }),
  service.dump({ configFile: "/etc/stasis/images.conf", pid: 1 }),
  service.restore({ ...place, execCmd: ["true"], joinNs: [{ ns: "net", nsFile: "1" }] }),
  child.restore({ ...place, rstSibling: true, inheritFd: [{ key: "pipe:[1]", fd: 5 }] }),
  service.check(),
  service.check({}),
  service.check({ ...place, logFile: "check.log" }),
  service.cpuinfoCheck({ ...place, cpuCap: 4 }),
  service.pageServer({ ...place, ps: { address: "127.0.0.1", port: 0 } }),
  service.featureCheck({ memTrack: true }),
  service.dump({ ...place, pid: 1 }, { onNotify: ({ pid }) => pid !== 1, timeoutMs: 5 }),
  service.dump({ ...place, pid: 1 }, { onNotify: async () => ({ external: ["unix[7]"] }) }),
];

/** Never called either. */
export const wrong = (service: CriuClient<"service">, child: CriuClient<"swrk">) => [
  // @ts-expect-error images have no place
  service.dump({ pid: 1 }),
  // @ts-expect-error they have two
  service.dump({ ...place, imagesDirFd: 3, pid: 1 }),
  // @ts-expect-error the work directory has two
  service.dump({ ...place, pid: 1, workDirectory: "/work", workDirFd: 3 }),
  // @ts-expect-error a pid is a number
  service.dump({ ...place, pid: "1" }),
  // @ts-expect-error no option has this name
  service.dump({ ...place, pid: 1, leaveRuning: true }),
  // @ts-expect-error no mode has this number
  service.dump({ ...place, pid: 1, manageCgroupsMode: 77 }),
  // @ts-expect-error a dump becomes no other program
  service.dump({ ...place, pid: 1, execCmd: ["true"] }),
  // @ts-expect-error a dump joins no namespace
  service.dump({ ...place, pid: 1, joinNs: [{ ns: "net", nsFile: "1" }] }),
  // @ts-expect-error the pids are those of the images
  service.restore({ ...place, pid: 1 }),
  // @ts-expect-error what is restored runs
  service.restore({ ...place, leaveRunning: true }),
  // @ts-expect-error a restore makes no ghost files
  service.restore({ ...place, ghostLimit: 5 }),
  // @ts-expect-error no namespace is of this kind
  service.restore({ ...place, joinNs: [{ ns: "netz", nsFile: "1" }] }),
  // @ts-expect-error a service is no child of ours
  service.restore({ ...place, rstSibling: true }),
  // @ts-expect-error and has none of our descriptors
  connect("/socket").restore({ ...place, inheritFd: [{ key: "pipe:[1]", fd: 5 }] }),
  // @ts-expect-error a descriptor needs its key
  child.restore({ ...place, inheritFd: [{ fd: 5 }] }),
  // @ts-expect-error a socket is named by its inode
  service.dump({ ...place, unixSkIno: [{}] }),
  // @ts-expect-error a check with a log needs a place for it
  spawn("stasis").check({ logFile: "check.log" }),
  // @ts-expect-error a check looks at no process
  service.check({ ...place, logFile: "check.log", pid: 1 }),
  // @ts-expect-error processors have no ghost files
  service.cpuinfoDump({ ...place, ghostLimit: 5 }),
  // @ts-expect-error a page server dumps nobody
  service.pageServer({ ...place, pid: 1 }),
  // @ts-expect-error no feature has this name
  service.featureCheck({ memTracking: true }),
  // @ts-expect-error an answer to a step is yes, no or objects
  service.dump({ ...place, pid: 1 }, { onNotify: () => "yes" }),
  // @ts-expect-error a descriptor that a request names is a number
  service.dump({ ...place, pid: 1, statusFd: "3" }),
];

test("the table that these types come from still says that pid is of a dump and exec_cmd of a restore", () => {
  assert.deepEqual([options.pid.applies.includes("restore"), options.execCmd.applies], [false, ["restore"]]);
});
