import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { givenIn, type Operation, optionNames, options, readText, settle } from "../../src/options/index.js";
import { CriuOptsSchema } from "../../src/protocol/gen/rpc_pb.js";
import { addJoinNs, addNoSeccomp } from "../../src/protocol/tag-39.js";

type Fields = Omit<MessageInitShape<typeof CriuOptsSchema>, "$typeName">;
const settled = (fields: Fields, operation: Operation = "dump") =>
  settle(givenIn(create(CriuOptsSchema, fields)), operation);

test("what is not sent has CRIU's default", () => {
  const { leaveRunning, ghostLimitBytes, timeoutSeconds, logLevel, pid, imagesDirFd } = settled({});
  assert.deepEqual(
    [leaveRunning, ghostLimitBytes, timeoutSeconds, logLevel, pid, imagesDirFd],
    [false, 1 << 20, 10, 2, undefined, -1],
  );
});

test("what is sent is read, zero and false too", () => {
  const { leaveRunning, ghostLimitBytes, timeoutSeconds, logLevel, pid } = settled({
    leaveRunning: false,
    ghostLimit: 0,
    timeout: 0,
    logLevel: 0,
    pid: 0,
  });
  assert.deepEqual([leaveRunning, ghostLimitBytes, timeoutSeconds, logLevel, pid], [false, 0, 0, 0, 0]);
});

test("every field of CriuOpts that does nothing yet is refused by its name where it would matter", () => {
  const description = CriuOptsSchema.fields;
  const refused = optionNames.filter((name) => options[name].summary.startsWith("not supported"));
  const tried = new Set<string>();
  for (const name of refused) {
    const { rpc, applies } = options[name];
    const field = description.find(({ localName }) => localName === rpc);
    if (rpc === undefined || field === undefined) continue;
    const item = field.message === undefined ? "x" : {};
    const value = field.fieldKind === "list" ? [item] : field.fieldKind === "message" ? {} : sample(field.scalar);
    for (const operation of applies) {
      assert.throws(
        () => settled({ [rpc]: value }, operation),
        (error: Error & { code?: string; crErrno?: number }) =>
          error.code === "OPTION_UNSUPPORTED" &&
          error.crErrno === 56 &&
          error.message.startsWith(`Cannot ${operation} with option `),
        rpc,
      );
    }
    tried.add(rpc);
  }
  assert.deepEqual(
    [...tried],
    refused.map((name) => options[name].rpc).filter((rpc) => rpc !== undefined),
  );
});

const STRING = 9;
const BOOL = 8;
const sample = (scalar: number | undefined) => (scalar === STRING ? "x" : scalar === BOOL ? true : 5);

test("the sentence names the option as the command line does", () => {
  assert.throws(() => settled({ unprivileged: true }), {
    message:
      "Cannot dump with option unprivileged: working without root's capabilities is not supported yet; leave it out and run as root",
  });
});

test("an option that asks for nothing is never refused", () => {
  const neutral = {
    unprivileged: false,
    cpuCap: 0xffffffff,
    emptyNs: 0,
    root: "",
    external: [],
    networkLock: 1,
    preDumpMode: 1,
    pidfdStoreSk: -1,
  };
  for (const operation of ["dump", "restore", "check"] as const) settled(neutral, operation);
});

test("an option that means nothing to an operation is passed over", () => {
  settled({ execCmd: ["true"] }, "dump");
  settled({ trackMem: true }, "restore");
});

test("field 39 is no_seccomp, or namespaces to join, which are refused", () => {
  const seccomp = create(CriuOptsSchema);
  addNoSeccomp(seccomp);
  assert.equal(settle(givenIn(seccomp), "dump").noSeccomp, true);
  assert.equal(settle({}, "dump").noSeccomp, false);
  const namespaces = create(CriuOptsSchema);
  addJoinNs(namespaces, [{ ns: "net", nsFile: "1" }]);
  assert.throws(() => settle(givenIn(namespaces), "restore"), /Cannot restore with option join-ns/);
});

test("a cgroup mode is accepted, refused or unknown", () => {
  for (const mode of [0, 3, 6]) settled({ manageCgroupsMode: mode });
  for (const mode of [1, 2, 4, 5])
    assert.throws(() => settled({ manageCgroupsMode: mode }), { code: "OPTION_UNSUPPORTED" });
  const unknown: number = 77; // an open enum: any number may come
  assert.throws(() => settled({ manageCgroupsMode: unknown }), { code: "OPTION_INVALID" });
});

test("no two options share a word or a letter on the command line", () => {
  const words = optionNames
    .flatMap((name) => [options[name].cli, options[name].short])
    .filter((word) => word !== undefined);
  assert.deepEqual(words.toSorted(), [...new Set(words)].toSorted());
});

test("sizes, verbosities and descriptors are read from text", () => {
  assert.equal(readText("ghostLimitBytes", "8M", undefined), 8 << 20);
  assert.equal(readText("ghostLimitBytes", "1g", undefined), 1 << 30);
  const levels = ["", "v", "vvv", "4", "0", "erbosity=0"].map((text) => readText("logLevel", text, undefined));
  assert.deepEqual(levels, [1, 2, 4, 4, 0, 0]);
  const one = readText("inheritedFds", "fd[5]:pipe:[123]", undefined);
  assert.deepEqual(readText("inheritedFds", "fd[6]:x", one), [
    { fd: 5, key: "pipe:[123]" },
    { fd: 6, key: "x" },
  ]);
  assert.equal(readText("manageCgroupsMode", "", undefined), 6);
});

test("text that cannot be is refused with what could be", () => {
  const wrong = {
    pid: ["abc", "0", "-5"],
    ghostLimitBytes: ["1T", "-1"],
    inheritedFds: ["5:x"],
    manageCgroupsMode: ["maybe"],
    statusFd: ["x"],
  } as const;
  for (const [name, texts] of Object.entries(wrong))
    for (const text of texts)
      assert.throws(
        () => readText(name as keyof typeof wrong, text, undefined),
        { code: "OPTION_INVALID" },
        `${name} ${text}`,
      );
  assert.throws(() => readText("pid", "abc", undefined), {
    message: 'Cannot read option tree: "abc" is not a whole number from 1 to 2147483647',
  });
});
