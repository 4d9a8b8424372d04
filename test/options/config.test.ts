import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { givenInConfig, mergeGiven } from "../../src/options/config.js";
import { StasisError } from "../../src/report/error.js";

const read = (...lines: string[]) => givenInConfig(lines.join("\n"), "/etc/x.conf");

test("flags, values, quotes, comments and no- forms are read", () => {
  const given = read(
    "# a comment",
    "leave-running",
    "  no-shell-job   # off",
    "verbosity 4",
    'action-script "/opt/my script"',
    'action-script "say \\"no\\"" # twice',
    "",
    "ghost-limit\t8M",
    'log-file ""',
  );
  assert.deepEqual(given, {
    leaveRunning: true,
    shellJob: false,
    logLevel: 4,
    actionScripts: ["/opt/my script", 'say "no"'],
    ghostLimitBytes: 8 << 20,
    logFile: "",
  });
});

test("a value may stand behind an equals sign", () => {
  const given = read(
    "log-file=/tmp/a=b.log # where",
    'action-script="/opt/my script"',
    "no-leave-running",
    "verbosity=4",
  );
  assert.deepEqual(given, {
    logFile: "/tmp/a=b.log",
    actionScripts: ["/opt/my script"],
    leaveRunning: false,
    logLevel: 4,
  });
});

test("what cannot be read is said with its line", () => {
  const attempts: [string, string][] = [
    ["leave-runing", 'line 2: there is no option "leave-runing"'],
    ["no-log-file", 'line 2: there is no option "no-log-file"'],
    ["leave-running yes", "line 2: the option leave-running takes no value"],
    ["log-file", "line 2: the option log-file needs a value"],
    ['log-file "a', "line 2: its value is neither one word nor in double quotes"],
    ["leave-running=yes", "line 2: the option leave-running takes no value"],
    ["=a", 'line 2: there is no option ""'],
    ["log-file a b", "line 2: its value is neither one word nor in double quotes"],
  ];
  for (const [line, reason] of attempts)
    assert.throws(() => read("# first", line), { message: `Cannot use "/etc/x.conf": ${reason}` });
});

test("later sources win, and add to what may be repeated", () => {
  const earlier = read("verbosity 1", "action-script a", "leave-running");
  const later = read("verbosity 3", "action-script b", "no-leave-running");
  assert.deepEqual(mergeGiven(earlier, later), { logLevel: 3, actionScripts: ["a", "b"], leaveRunning: false });
});

test("any text is read or refused", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(...'ab-# \t\n"\\', "log-file ", "verbosity ") }),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        read(any);
      } catch (error) {
        assert.ok(error instanceof StasisError && error.code === "OPTION_INVALID");
      }
    }),
  );
});
