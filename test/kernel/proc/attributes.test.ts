import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import {
  parseAutogroup,
  parseNumber,
  readAutogroupNice,
  readCoredumpFilter,
  readLoginuid,
  readOomScoreAdj,
  readPersonality,
  readTimerSlack,
} from "../../../src/kernel/proc/attributes.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

test("one number in a file is read in its own base", () => {
  assert.equal(parseNumber("oom_score_adj", "-1000\n", 10), -1000);
  assert.equal(parseNumber("coredump_filter", "00000033\n", 16), 0x33);
  assert.equal(parseNumber("coredump_filter", "", 16), undefined);
  assert.throws(() => parseNumber("loginuid", "none", 10), ProcFormatError);
});

test("any text gives a number or is refused", () => {
  understandsOrRefuses((text) => parseNumber("loginuid", text, 10), ["4294967295"]);
});

test("an autogroup has a nice value, any other text is refused", () => {
  assert.equal(parseAutogroup("/autogroup-1963 nice -7\n"), -7);
  understandsOrRefuses(parseAutogroup, ["/autogroup-1 nice 0\n"]);
});

test("our own attributes can be read", () => {
  const self = asPid(process.pid);
  assert.ok((readTimerSlack(self) ?? 0n) > 0n);
  const nice = readAutogroupNice(self) ?? 0;
  assert.ok(nice >= -20 && nice <= 19);
  const adjust = readOomScoreAdj(self) ?? Number.NaN;
  assert.ok(adjust >= -1000 && adjust <= 1000);
  assert.equal(typeof readCoredumpFilter(self), "number");
  assert.equal(readPersonality(self), 0);
  assert.ok((readLoginuid(self) ?? 0) >= 0);
});
