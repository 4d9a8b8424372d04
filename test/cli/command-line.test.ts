import assert from "node:assert/strict";
import { test } from "node:test";
import { Misused, readCommandLine } from "../../src/cli/command-line.js";

const read = (line: string) => readCommandLine(line.split(" "));

test("options stand before or behind the command", () => {
  const expected = {
    command: "dump",
    operands: [],
    help: false,
    given: { imagesDir: "/d", pid: 5, leaveRunning: true },
  };
  assert.deepEqual(read("-D /d -R dump -t 5"), expected);
  assert.deepEqual(read("dump --tree 5 --leave-running --images-dir=/d"), expected);
});

test("ZDTM's command lines are read", () => {
  const line =
    "dump --no-default-config --log-file dump.log --images-dir d --verbosity=4 --tree 5 --pidfile /x/p --ghost-limit 8M --timeout 10";
  assert.deepEqual(read(line).given, {
    noDefaultConfig: true,
    logFile: "dump.log",
    imagesDir: "d",
    logLevel: 4,
    pid: 5,
    pidfile: "/x/p",
    ghostLimitBytes: 8 << 20,
    timeoutSeconds: 10,
  });
  assert.deepEqual(read("check --no-default-config -verbosity=0 --feature mnt_id").given, {
    noDefaultConfig: true,
    logLevel: 0,
    feature: "mnt_id",
  });
});

test("an optional argument is one only when it is joined to its option", () => {
  assert.deepEqual(read("-v dump").given, { logLevel: 1 });
  assert.deepEqual(read("-v4 dump").given, { logLevel: 4 });
  assert.deepEqual(read("-vv dump").given, { logLevel: 2 });
  assert.deepEqual(read("--manage-cgroups dump").given, { manageCgroupsMode: 6 });
  assert.deepEqual(read("--manage-cgroups=ignore dump").given, { manageCgroupsMode: 0 });
});

test("a flag has a no- form, and the last one counts", () => {
  assert.deepEqual(read("dump -j --no-shell-job").given, { shellJob: false });
  assert.deepEqual(read("dump --no-tcp-established").given, { tcpEstablished: false });
});

test("an option that may be repeated keeps all of it", () => {
  const { inheritedFds, actionScripts } = read(
    "dump --inherit-fd fd[5]:a --inherit-fd fd[6]:b --action-script x --action-script y",
  ).given;
  assert.deepEqual(inheritedFds, [
    { fd: 5, key: "a" },
    { fd: 6, key: "b" },
  ]);
  assert.deepEqual(actionScripts, ["x", "y"]);
});

test("--daemon is --restore-detached", () => {
  assert.deepEqual(read("dump --daemon").given, { detached: true });
  assert.deepEqual(read("dump -d").given, { detached: true });
});

test("what is unknown or lacks its argument is said", () => {
  assert.throws(() => read("dump --bogus"), { constructor: Misused, message: "unknown option '--bogus'" });
  assert.throws(() => read("dump -t"), /argument missing/);
  assert.throws(() => read("dump -t x"), { code: "OPTION_INVALID" });
});
