import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import {
  parseNumber,
  readCoredumpFilter,
  readLoginuid,
  readOomScoreAdj,
  readPersonality,
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

test("our own attributes can be read", () => {
  const self = asPid(process.pid);
  const adjust = readOomScoreAdj(self) ?? Number.NaN;
  assert.ok(adjust >= -1000 && adjust <= 1000);
  assert.equal(typeof readCoredumpFilter(self), "number");
  assert.equal(readPersonality(self), 0);
  assert.ok((readLoginuid(self) ?? 0) >= 0);
});
