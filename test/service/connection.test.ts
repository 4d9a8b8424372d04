import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { asPid } from "../../src/kernel/brand.js";
import { RestoreFailed } from "../../src/operations/requests.js";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { StasisError } from "../../src/report/error.js";
import { acknowledgement, exchange, hex, type Request } from "./exchange.js";
import { fakeEngine } from "./fake-engine.js";

const directory = mkdtempSync(join(tmpdir(), "connection-"));
const imagesDirFd = openSync(directory, "r");
after(() => {
  closeSync(imagesDirFd);
  rmSync(directory, { recursive: true });
});
const { DUMP, RESTORE, CHECK, VERSION, FEATURE_CHECK, CPUINFO_CHECK, NOTIFY, EMPTY } = CriuReqType;
const noSuchProcess = () => {
  throw new StasisError({
    code: "NO_SUCH_PROCESS",
    doing: "freeze",
    subject: { kind: "process", pid: asPid(4711), comm: "redis" },
    reason: "no such process",
    remedy: "name one",
  });
};

test("a check is answered with the bytes that CRIU sends", () => {
  assert.deepEqual(exchange([hex("08 03")]).raw, ["08031001"]);
});

test("a dump with a pid is answered with the bytes that CRIU sends", () => {
  const engine = fakeEngine();
  const { raw, status } = exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711, logLevel: 0 } }], { engine });
  assert.deepEqual(raw, ["080110011a020800"]);
  assert.equal(status, 0);
  const { pid, finalState, shellJob, ghostLimitBytes, timeoutSeconds } = engine.dumps[0]?.options ?? {};
  assert.deepEqual([pid, finalState, shellJob, ghostLimitBytes, timeoutSeconds], [4711, "kill", false, 1 << 20, 10]);
});

test("a dump that fails says so with errno and sentence", () => {
  const engine = fakeEngine({ dump: noSuchProcess });
  const { raw, answers, status } = exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711 } }], { engine });
  assert.ok(raw[0]?.startsWith("080110001a020800" + "3803" + "4a"));
  assert.equal(answers[0]?.crErrmsg, 'Cannot freeze pid 4711 "redis": no such process; name one');
  assert.equal(status, 1);
  const log = readFileSync(join(directory, "criu.log"), "utf8");
  assert.equal(log, 'Error: Cannot freeze pid 4711 "redis": no such process; name one\n');
});

test("a bug of ours is a failed answer, not a dead worker", () => {
  const engine = fakeEngine({
    dump() {
      throw new TypeError("x is undefined");
    },
  });
  const { answers } = exchange([{ type: DUMP, opts: { imagesDirFd, pid: 4711, logLevel: 0 } }], { engine });
  assert.match(answers[0]?.crErrmsg ?? "", /^Cannot dump pid 4711: stasis has a bug: x is undefined; please report/);
});

test("whoever dumps itself gets no answer, unless it runs on", () => {
  assert.deepEqual(exchange([{ type: DUMP, opts: { imagesDirFd } }]).raw, []);
  assert.deepEqual(exchange([{ type: DUMP, opts: { imagesDirFd, leaveRunning: true } }]).raw, ["080110011a020800"]);
  const engine = fakeEngine();
  exchange([{ type: DUMP, opts: { imagesDirFd } }], { engine });
  assert.equal(engine.dumps[0]?.options.pid, process.pid);
  assert.equal(engine.dumps[0]?.peer?.pid, process.pid);
});

test("whoever dumps itself and fails gets the failure", () => {
  const engine = fakeEngine({ dump: noSuchProcess });
  assert.equal(exchange([{ type: DUMP, opts: { imagesDirFd } }], { engine }).answers[0]?.success, false);
});

test("a dump and a restore without options are refused", () => {
  for (const type of [DUMP, RESTORE]) {
    const { answers } = exchange([{ type }]);
    assert.equal(answers[0]?.type, type);
    assert.match(answers[0]?.crErrmsg ?? "", /the request has no options/);
  }
});

test("a failed restore carries -1 before there was a root, and its pid afterwards", () => {
  const before = fakeEngine({ restore: noSuchProcess });
  const opts = { imagesDirFd, logLevel: 0 };
  assert.ok(
    exchange([{ type: RESTORE, opts }], { engine: before }).raw[0]?.startsWith("08021000220b08ffffffffffffffffff01"),
  );
  const later = fakeEngine({
    restore() {
      const subject = { kind: "host", what: "the process tree" } as const;
      throw new RestoreFailed(
        { code: "IMAGE_INVALID", doing: "restore", subject, reason: "it is broken" },
        asPid(4711),
      );
    },
  });
  assert.equal(exchange([{ type: RESTORE, opts }], { engine: later }).answers[0]?.restore?.pid, 4711);
});

test("a restore answers with the pid of the root", () => {
  assert.deepEqual(exchange([{ type: RESTORE, opts: { imagesDirFd } }]).raw, ["0802100122" + "0308e724"]);
});

test("every step is notified and waits for its acknowledgement", () => {
  const opts = { imagesDirFd, pid: 4711, notifyScripts: true };
  const { raw, answers, status } = exchange([{ type: DUMP, opts }, ...Array(3).fill(acknowledgement)]);
  assert.equal(raw[0], "080610012a0a0a087072652d64756d70");
  assert.deepEqual(
    answers.map(({ notify }) => notify?.script),
    ["pre-dump", "query-ext-files", "post-dump", undefined],
  );
  assert.equal(status, 0);
});

test("objects that stay outside may be named while the tree is frozen; those that cannot be end the dump", () => {
  const opts = { imagesDirFd, pid: 4711, notifyScripts: true, logLevel: 0 };
  const dumpWith = (external: string[]) => {
    const engine = fakeEngine();
    const naming = { ...acknowledgement, opts: { imagesDirFd: -1, external } };
    const { answers } = exchange([{ type: DUMP, opts }, acknowledgement, naming, acknowledgement], { engine });
    return { named: engine.external, said: answers.find(({ type }) => type === DUMP)?.crErrmsg };
  };
  assert.deepEqual(dumpWith(["unix[7]", "file[1:2]"]), { named: ["unix[7]", "file[1:2]"], said: "" });
  assert.deepEqual(dumpWith([]), { named: [], said: "" });
  assert.match(dumpWith(["mnt[x]:y"]).said ?? "", /^Cannot dump with option external: mnt from outside/);
  assert.match(dumpWith(["what"]).said ?? "", /"what" does not have the form KIND\[WHICH\]$/);
});

test("a notification names the root where it is known", () => {
  const { answers } = exchange([{ type: RESTORE, opts: { imagesDirFd, notifyScripts: true } }, acknowledgement]);
  assert.deepEqual([answers[0]?.notify?.script, answers[0]?.notify?.pid], ["post-restore", 4711]);
});

test("anything but an acknowledgement refuses a step", () => {
  const opts = { imagesDirFd, pid: 4711, notifyScripts: true, logLevel: 0 };
  const refusals = [
    { type: NOTIFY, notifySuccess: false },
    { type: NOTIFY },
    { type: DUMP, notifySuccess: true },
    hex("ff"),
    hex(""),
  ];
  for (const refusal of refusals) {
    const { answers } = exchange([{ type: DUMP, opts }, refusal]);
    assert.deepEqual(
      answers.map(({ type, success }) => [type, success]),
      [
        [NOTIFY, true],
        [DUMP, false],
      ],
    );
  }
});

test("the version is that of CRIU which we stand in for", () => {
  const { answers } = exchange([hex("08 0a")]);
  const { majorNumber, minorNumber } = answers[0]?.version ?? {};
  assert.deepEqual([majorNumber, minorNumber], [4, 2]);
});

test("only the features that are asked for are reported, the others as missing", () => {
  assert.deepEqual(exchange([hex("08 09 2a 02 08 01")]).raw, ["080910014206" + "080110001800"]);
  assert.equal(exchange([{ type: FEATURE_CHECK }]).answers[0]?.success, false);
});

test("a connection stays open for as long as the client asks", () => {
  const { answers, status } = exchange([
    { type: VERSION, keepOpen: true },
    { type: CPUINFO_CHECK, keepOpen: true },
    { type: CHECK },
    { type: VERSION },
  ]);
  assert.deepEqual(
    answers.map(({ type, success, crErrmsg }) => [type, success, crErrmsg === ""]),
    [
      [VERSION, true, true],
      [CPUINFO_CHECK, false, false],
      [CHECK, true, true],
    ],
  );
  assert.equal(status, 0);
});

test("a connection cannot stay open after a request that ends it", () => {
  for (const type of [DUMP, RESTORE, CHECK, CriuReqType.PRE_DUMP, CriuReqType.WAIT_PID, EMPTY, NOTIFY]) {
    const engine = fakeEngine();
    const { raw, status } = exchange([{ type, keepOpen: true, opts: { imagesDirFd, pid: 4711 } }], { engine });
    assert.deepEqual([raw, status, engine.dumps.length], [[], 255, 0]);
  }
});

test("what is no request is answered as such", () => {
  for (const type of [EMPTY, NOTIFY, 99, -1]) assert.deepEqual(exchange([{ type }]).raw, ["08001000"]);
  assert.equal(exchange([{ type: EMPTY }]).status, 255);
});

test("requests that are not supported yet are refused by name", () => {
  for (const name of ["PRE_DUMP", "SINGLE_PRE_DUMP", "PAGE_SERVER", "PAGE_SERVER_CHLD"] as const) {
    const { answers } = exchange([{ type: CriuReqType[name], pid: 1, opts: { imagesDirFd, pid: 4711 } }]);
    const expected = name === "PAGE_SERVER_CHLD" ? CriuReqType.PAGE_SERVER : CriuReqType[name];
    assert.deepEqual([answers[0]?.type, answers[0]?.success, answers[0]?.crErrno], [expected, false, 0]);
    assert.ok(answers[0]?.crErrmsg.startsWith(`Cannot serve request ${name}: `));
  }
});

test("malformed bytes close the connection without an answer", () => {
  for (const text of ["ff".repeat(16), "08", "080a00", "", "1202", "080a120a", "0a0108", "0801120212"]) {
    const { raw, status } = exchange([hex(text)]);
    assert.deepEqual([raw, status], [[], 255], text);
  }
});

test("no bytes whatever stop the service from serving", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 3 }), (messages) => {
      const { status, answers } = exchange(messages);
      assert.ok(status === 0 || status === 1 || status === 255);
      assert.ok(answers.length <= messages.length);
    }),
    { numRuns: 200 },
  );
});

test("options that mean swrk's own parent and descriptors are refused by the service, false ones too", () => {
  const common = { imagesDirFd, pid: 4711, logLevel: 0 };
  const tried: Request[] = [
    { type: RESTORE, opts: { ...common, rstSibling: false } },
    { type: DUMP, opts: { ...common, inheritFd: [{ key: "pipe:[1]", fd: 0 }] } },
  ];
  for (const request of tried) {
    const { answers } = exchange([request], { kind: "service" });
    assert.equal(answers[0]?.crErrno, 56);
    assert.match(answers[0]?.crErrmsg ?? "", /the service is no child of the client; start stasis swrk/);
  }
  const engine = fakeEngine();
  exchange([{ type: RESTORE, opts: { ...common, rstSibling: true, inheritFd: [{ key: "pipe:[1]", fd: 0 }] } }], {
    engine,
  });
  assert.deepEqual(engine.restores[0]?.options, {
    shellJob: false,
    orphanPtsMaster: false,
    leaveStopped: false,
    externalUnix: false,
    siblings: true,
    buildIds: true,
    compareProcessor: undefined,
    tcpClose: false,
    tcpEstablished: false,
    inheritedFds: [{ key: "pipe:[1]", fd: 0 }],
  });
});

test("directories, logs and descriptors that cannot be are refused as EBADRQC", () => {
  const file = openSync("/etc/hostname", "r");
  const tried = [
    { imagesDirFd: 999 },
    { imagesDirFd: -2 },
    { imagesDirFd: -1 },
    {},
    { imagesDirFd: file },
    { imagesDir: "/nowhere" },
    { imagesDirFd, workDirFd: 998 },
    { imagesDirFd, statusFd: 997 },
    { imagesDirFd, logFile: "" },
    { imagesDirFd, logFile: "." },
    { imagesDirFd, logFile: "a/b" },
    { imagesDirFd, logFile: "a\0b" },
    { imagesDirFd, logFile: "x".repeat(300) },
    { imagesDirFd, manageCgroupsMode: 77 },
    { imagesDirFd, unprivileged: true },
  ];
  for (const fields of tried) {
    const { answers } = exchange([{ type: DUMP, opts: { pid: 4711, ...fields } }]);
    assert.deepEqual(
      [answers[0]?.type, answers[0]?.success, answers[0]?.crErrno],
      [DUMP, false, 56],
      JSON.stringify(fields),
    );
  }
  closeSync(file);
});

test("a pid that nobody can have is no such process", () => {
  for (const pid of [0, -1, -5])
    assert.equal(exchange([{ type: DUMP, opts: { imagesDirFd, pid } }]).answers[0]?.crErrno, 3);
});

test("options of swrk's command line hold until a request says otherwise", () => {
  const engine = fakeEngine();
  const opts = { imagesDirFd, pid: 4711 };
  exchange([{ type: DUMP, opts }], { engine, given: { leaveRunning: true, ghostLimitBytes: 5 } });
  exchange([{ type: DUMP, opts: { ...opts, ghostLimit: 6 } }], { engine, given: { ghostLimitBytes: 5 } });
  assert.deepEqual(
    engine.dumps.map(({ options }) => [options.finalState, options.ghostLimitBytes]),
    [
      ["run", 5],
      ["kill", 6],
    ],
  );
});
