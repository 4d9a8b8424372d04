// Requests beside DUMP and RESTORE, and what surrounds these two.
import assert from "node:assert/strict";
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { engine } from "../../src/service/engine.js";
import { acknowledgement, exchange } from "./exchange.js";
import { fakeEngine } from "./fake-engine.js";

const directory = mkdtempSync(join(tmpdir(), "requests-"));
const imagesDirFd = openSync(directory, "r");
after(() => {
  closeSync(imagesDirFd);
  rmSync(directory, { recursive: true });
});
const { DUMP, RESTORE, CPUINFO_DUMP, CPUINFO_CHECK, WAIT_PID, VERSION } = CriuReqType;
const file = (name: string, text: string) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
const script = (name: string, body: string) => {
  const path = file(name, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
};

test("the processor is written and compared on one connection", () => {
  const opts = { imagesDirFd };
  const { answers, status } = exchange(
    [
      { type: CPUINFO_DUMP, opts, keepOpen: true },
      { type: CPUINFO_CHECK, opts, keepOpen: true },
      { type: CPUINFO_CHECK, opts: { imagesDirFd, cpuCap: 7 } },
    ],
    { engine },
  );
  assert.deepEqual(
    answers.map(({ type, success, crErrmsg }) => [type, success, crErrmsg]),
    [
      [CPUINFO_DUMP, true, ""],
      [CPUINFO_CHECK, true, ""],
      [CPUINFO_CHECK, true, ""],
    ],
  );
  assert.equal(status, 0);
});

test("a comparison that fails says why, carries no errno, keeps the connection, and leaves nothing behind for the next answer", () => {
  const empty = mkdtempSync(join(directory, "empty-"));
  const fd = openSync(empty, "r");
  const { answers } = exchange(
    [
      { type: CPUINFO_CHECK, opts: { imagesDirFd: fd, logLevel: 0 }, keepOpen: true },
      { type: CPUINFO_CHECK, keepOpen: true },
      { type: VERSION },
    ],
    { engine },
  );
  closeSync(fd);
  const [missing, without, version] = answers;
  assert.deepEqual([missing?.success, missing?.crErrno], [false, 0]);
  assert.match(
    missing?.crErrmsg ?? "",
    /^Cannot compare processors with cpuinfo\.img: the file is not there; dump with/,
  );
  assert.match(without?.crErrmsg ?? "", /the request has no options/);
  assert.deepEqual([version?.success, version?.crErrmsg], [true, ""]);
});

test("a dump or restore with cpu_cap asks the engine for it, even with 0", () => {
  const asked = fakeEngine();
  exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711, cpuCap: 0 } }], { engine: asked });
  exchange([{ type: RESTORE, opts: { imagesDirFd, cpuCap: 4 } }], { engine: asked });
  exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711 } }], { engine: asked });
  exchange([{ type: RESTORE, opts: { imagesDirFd } }], { engine: asked });
  assert.deepEqual(
    asked.dumps.map(({ options }) => options.describeProcessor),
    [true, false],
  );
  assert.deepEqual(
    asked.restores.map(({ options }) => options.compareProcessor),
    [12, undefined],
  );
});

test("only a child of the worker can be waited for", () => {
  for (const pid of [undefined, 1, 0xffffffff]) {
    const { answers, status } = exchange([{ type: WAIT_PID, ...(pid === undefined ? {} : { pid }) }]);
    assert.deepEqual([answers[0]?.type, answers[0]?.success, answers[0]?.crErrno, status], [WAIT_PID, false, 0, 0]);
    assert.equal(
      answers[0]?.crErrmsg,
      `Cannot wait for pid ${pid ?? 0}: it is no child of this worker; wait on the connection that started it`,
    );
  }
});

test("the configuration file of a request counts more than the request, except for the level of the log", () => {
  const other = mkdtempSync(join(directory, "other-"));
  const configFile = file(
    "over.conf",
    `leave-running\nverbosity 4\nlog-file mine.log\nghost-limit 5\nwork-dir ${other}\n`,
  );
  const asked = fakeEngine();
  const opts = { imagesDirFd, pid: 4711, configFile, ghostLimit: 7, logFile: "theirs.log", logLevel: 1 };
  exchange([{ type: DUMP, opts }], { engine: asked });
  const { finalState, ghostLimitBytes } = asked.dumps[0]?.options ?? {};
  assert.deepEqual([finalState, ghostLimitBytes], ["run", 5]);
  assert.equal(readFileSync(join(other, "mine.log"), "utf8"), "");
  assert.equal(existsSync(join(directory, "theirs.log")), false);
});

test("what our own command line turned on, a request does not turn off by sending false; other values of it count", () => {
  const asked = fakeEngine();
  const given = { leaveRunning: true, ghostLimitBytes: 3, logLevel: 4, shellJob: true };
  const opts = { imagesDirFd, pid: 4711, leaveRunning: false, ghostLimit: 9, shellJob: false };
  exchange([{ type: DUMP, opts }], { engine: asked, given });
  const { finalState, ghostLimitBytes, shellJob } = asked.dumps[0]?.options ?? {};
  assert.deepEqual([finalState, ghostLimitBytes, shellJob], ["run", 9, false]);
});

test("a configuration file that is not there says nothing, one that is wrong is EBADRQC", () => {
  const asked = fakeEngine();
  const ask = (configFile: string) =>
    exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711, configFile } }], { engine: asked }).answers[0];
  assert.equal(ask(join(directory, "none.conf"))?.success, true);
  const unknown = ask(file("unknown.conf", "leave-runing\n"));
  assert.deepEqual([unknown?.success, unknown?.crErrno], [false, 56]);
  assert.match(unknown?.crErrmsg ?? "", /line 1: there is no option "leave-runing"$/);
  assert.match(ask(file("quote.conf", 'log-file "x\n'))?.crErrmsg ?? "", /line 1: its value is neither/);
  assert.match(ask(directory)?.crErrmsg ?? "", /it cannot be read: EISDIR$/);
});

test("action scripts of a configuration file run when the client has agreed, the last one first", () => {
  const steps = join(directory, "steps");
  const first = script("first", `echo "first $CRTOOLS_SCRIPT_ACTION $CRTOOLS_INIT_PID" >> ${steps}`);
  const second = script("second", `echo "second $CRTOOLS_SCRIPT_ACTION" >> ${steps}`);
  const configFile = file("scripts.conf", `action-script ${first}\naction-script ${second}\n`);
  const opts = { imagesDirFd, pid: 4711, configFile, notifyScripts: true };
  const refuse = { type: CriuReqType.NOTIFY, notifySuccess: false };
  const { answers } = exchange([{ type: DUMP, opts }, acknowledgement, acknowledgement, refuse]);
  assert.deepEqual(
    answers.map(({ notify, success }) => [notify?.script, success]),
    [
      ["pre-dump", true],
      ["query-ext-files", true],
      ["post-dump", true],
      [undefined, false],
    ],
  );
  assert.equal(readFileSync(steps, "utf8"), "second pre-dump\nfirst pre-dump 4711\n");
});

test("the pid file of a restore is made before anything else, and is gone when the restore fails", () => {
  const pidfile = join(directory, "root.pid");
  const configFile = file("pidfile.conf", "pidfile root.pid\n");
  const asked = fakeEngine();
  const restore = () => exchange([{ type: RESTORE, opts: { imagesDirFd, configFile } }], { engine: asked }).answers[0];
  assert.equal(restore()?.success, true);
  assert.equal(readFileSync(pidfile, "utf8"), "4711");
  assert.match(restore()?.crErrmsg ?? "", /^Cannot write the pid file ".*root\.pid": it exists already$/);
  assert.equal(asked.restores.length, 1);
  rmSync(pidfile);
  const failing = fakeEngine({
    restore() {
      throw new Error("no");
    },
  });
  exchange([{ type: RESTORE, opts: { imagesDirFd, configFile } }], { engine: failing });
  assert.equal(existsSync(pidfile), false);
});
