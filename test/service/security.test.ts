// A client who is nobody special, and a service that lets everybody in: what it may do is what the kernel lets it do itself. CRIU's service
// dumps and kills any process for whoever can connect. What becomes of files and images: security-files.test.ts.
import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/index.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { type Program, startExecutable } from "../support/program.js";
import { askAs, NOBODY, openService, startOfNobody, ticking } from "./as-nobody.js";
import { startServiceIn } from "./running-service.js";

const { directory, path, asNobody, newDirectory } = openService("security");
const startOfRoot = () => startExecutable("/usr/bin/python3", { arguments: ["-c", ticking], readyLine: "tick 3" });

function refusedAndRunning({ pid }: Program): void {
  const { failed = "" } = asNobody("dump", { pid, imagesDirectory: newDirectory(NOBODY), shellJob: true });
  assert.match(failed, new RegExp(`pid ${pid}.*: `));
  assert.match(readStat(pid)?.state ?? "gone", /^[SR]$/);
  assert.equal(readStatus(pid)?.tracerPid ?? 0, 0);
}

test("a client dumps and restores a process of its own, as itself, into files of its own", async () => {
  await using program = await startOfNobody();
  chmodSync(program.directory, 0o755);
  const imagesDirectory = newDirectory(NOBODY);
  const before = readStatus(program.pid);
  assert.deepEqual(asNobody("dump", { pid: program.pid, imagesDirectory }), { result: { restored: false } });
  for (const file of readdirSync(imagesDirectory))
    assert.equal(statSync(join(imagesDirectory, file)).uid, NOBODY, file);
  await program.gone();
  chownSync(join(program.directory, "output"), NOBODY, NOBODY);
  assert.deepEqual(asNobody("restore", { imagesDirectory }), { result: { pid: program.pid } });
  const now = readStatus(program.pid);
  for (const field of ["uids", "gids", "groups", "capPrm", "capEff", "capInh", "capAmb"] as const)
    assert.deepEqual(now?.[field], before?.[field], field);
});

test("a process of somebody else cannot be dumped, and runs on", async () => {
  await using program = await startOfRoot();
  refusedAndRunning(program);
});

test("neither can a program that is more than the client: setuid, of another group, with a capability, or hidden from its user", async () => {
  const setuid = join(directory, "setuid-python");
  copyFileSync("/usr/bin/python3", setuid);
  chmodSync(setuid, 0o4755);
  await using asRoot = await startExecutable("/usr/bin/setpriv", {
    arguments: ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", setuid, "-c", ticking],
    readyLine: "tick 3",
  });
  assert.equal(readStatus(asRoot.pid)?.uids[1], 0);
  refusedAndRunning(asRoot);
  await using otherGroup = await startOfNobody(ticking, { gid: 1 });
  refusedAndRunning(otherGroup);
  await using capable = await startOfNobody(ticking, {
    more: ["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"],
  });
  refusedAndRunning(capable);
  await using hidden = await startOfNobody(`import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n${ticking}`);
  refusedAndRunning(hidden);
});

test("the worker that serves a client is out of its reach, every thread of it", async () => {
  await using program = await startOfNobody();
  const options = { pid: program.pid, imagesDirectory: newDirectory(NOBODY), leaveRunning: true };
  const { result, failed } = asNobody("reachForWorker", options);
  assert.equal(failed, undefined);
  assert.ok((result?.threads ?? 0) > 1);
  assert.deepEqual(result?.open, []);
});

test("who has been served as somebody else serves nobody after", async () => {
  await using program = await startOfNobody();
  await using rootProgram = await startOfRoot();
  const options = { pid: program.pid, leaveRunning: true };
  const root = connect(path());
  for (let round = 0; round < 3; round++) {
    assert.equal(asNobody("dump", { ...options, imagesDirectory: newDirectory(NOBODY) }).failed, undefined);
    const imagesDirectory = newDirectory(0);
    await root.dump({ pid: rootProgram.pid, imagesDirectory, leaveRunning: true });
    for (const file of readdirSync(imagesDirectory)) assert.equal(statSync(join(imagesDirectory, file)).uid, 0, file);
  }
});

test("programs and configuration files are run and read for the owner only", async () => {
  const imagesDirectory = newDirectory(NOBODY);
  const attempts = [{ execCmd: ["id"] }, { configFile: "/etc/shadow" }];
  for (const options of attempts) {
    const { failed, crErrno } = asNobody("restore", { imagesDirectory, ...options });
    assert.match(failed ?? "", /(config_file|exec_cmd): it is for root and the owner of the service; leave it out/);
    assert.equal(crErrno, 13);
  }
});

test("whoever is not let in is refused; users and groups are let in by number and name", async () => {
  const group = Number(/^nogroup:[^:]*:(\d+)/m.exec(readFileSync("/etc/group", "utf8"))?.[1]);
  await using other = await startServiceIn(directory, "some", "--allow", "1,@nogroup", "-v0", "--workers", "1");
  for (const uid of [1, group]) assert.equal(askAs(uid, other.path, "version", {}).failed, undefined, `user ${uid}`);
  const { failed, crErrno } = askAs(2, other.path, "version", {});
  assert.match(failed ?? "", /it comes from user 2; ask as root/);
  assert.equal(crErrno, 13);
});

test("mode and group of the socket are options: who may not write to it does not come as far", async () => {
  const mode = ["--socket-group", "daemon", "--socket-mode", "660"];
  await using other = await startServiceIn(directory, "mode", "--allow", "any", "-v0", "--workers", "1", ...mode);
  assert.equal(statSync(other.path).gid, Number(/^daemon:[^:]*:(\d+)/m.exec(readFileSync("/etc/group", "utf8"))?.[1]));
  assert.equal(statSync(other.path).mode & 0o777, 0o660);
  assert.match(askAs(NOBODY, other.path, "version", {}).failed ?? "", /EACCES/);
});
