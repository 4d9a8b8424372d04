import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { parseTimers, readTimers } from "../../../src/kernel/proc/timers.js";
import { understandsOrRefuses } from "./throws-only.js";

const TIMERS = `ID: 2
signal: 12/ffffffffdeadbeef
notify: signal/tid.10101
ClockID: 1
ID: 1
signal: 0/0000000000001234
notify: none/pid.10101
ClockID: -80810
ID: 0
signal: 10/0000000000001234
notify: thread/pid.10101
ClockID: 0
`;

test("timers come in the order of their ids", () => {
  assert.deepEqual(
    parseTimers(TIMERS).map(({ id }) => id),
    [0, 1, 2],
  );
});

test("a timer tells whom it notifies, how, and by which clock", () => {
  const [, none, thread] = parseTimers(TIMERS);
  assert.deepEqual(thread, {
    id: 2,
    signal: 12,
    value: 0xffffffffdeadbeefn,
    notify: "signal",
    target: { of: "thread", pid: 10101 },
    clockId: 1,
  });
  assert.deepEqual([none?.notify, none?.clockId], ["none", -80810]);
});

test("no timers is an empty list", () => {
  assert.deepEqual(parseTimers(""), []);
  assert.deepEqual(readTimers(asPid(process.pid)), []);
});

test("a timer that is cut off is refused", () => {
  assert.throws(() => parseTimers(TIMERS.slice(0, -12)), ProcFormatError);
});

test("any text gives timers or is refused", () => {
  understandsOrRefuses(parseTimers, [TIMERS]);
});
