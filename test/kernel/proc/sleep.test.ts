import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { parseLastRun, parseSyscall, readLastRun, readSyscall, readWchan } from "../../../src/kernel/proc/sleep.js";
import { understandsOrRefuses } from "./throws-only.js";

test("the system call of a thread is shown with its arguments", () => {
  const text = "7 0x0 0x1 0x186a0 0x0 0x7ffe1b3961d7 0x0 0x7f1d2164eeb8 0x7f1d21f55829\n";
  assert.deepEqual(parseSyscall(text), { number: 7, args: [0n, 1n, 100000n, 0n, 0x7ffe1b3961d7n, 0n] });
  assert.equal(parseSyscall("running\n"), undefined);
  assert.equal(parseSyscall("-1 0x7ffe1b3961d7 0x7f1d21f55829\n"), undefined);
});

test("when a thread last ran is told to the nanosecond", () => {
  assert.equal(parseLastRun("sh (1, #threads: 1)\n---\nse.exec_start      :      15266033.731747\n"), 15266033731747n);
  assert.equal(parseLastRun("sh (1, #threads: 1)\n"), undefined);
});

test("we ourselves are shown", () => {
  const self = asPid(process.pid);
  const last = readLastRun(self, self);
  assert.ok(last === undefined || last > 0n);
  assert.doesNotThrow(() => [readSyscall(self, self), readWchan(self, self)]);
});

test("any other text is refused as such", () => {
  understandsOrRefuses(parseSyscall, ["running\n", "7 0x0 0x1 0x2 0x3 0x4 0x5 0x6 0x7\n", "-1 0x7 0x8\n"]);
  understandsOrRefuses(parseLastRun, ["se.exec_start      :      15266033.731747\n"]);
});
