import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asPid } from "../../../src/kernel/brand.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { parseStat, readStat, readThreadStat } from "../../../src/kernel/proc/stat.js";
import { understandsOrRefuses } from "./throws-only.js";

const STAT = (comm: string) =>
  `10101 (${comm}) t 9975 9976 3395 34817 -1 4194560 2962 6579 10 0 5 3 0 0 20 -5 2 0 616940 14483456 2574 18446744073709551615 4198400 6963245 140732386531024 0 0 0 0 16781312 134235138 1 0 0 17 1 7 1 0 0 0 8863072 9137888 35610624 140732386538012 140732386538020 140732386538020 140732386541535 256\n`;

test("the fields of stat are those of the man page", () => {
  assert.deepEqual(parseStat(STAT("python3")), {
    pid: 10101,
    comm: "python3",
    state: "t",
    ppid: 9975,
    pgrp: 9976,
    session: 3395,
    ttyNr: 34817,
    tpgid: -1,
    flags: 4194560,
    nice: -5,
    numThreads: 2,
    startTime: 616940n,
    startCode: 4198400n,
    endCode: 6963245n,
    startStack: 140732386531024n,
    exitSignal: 17,
    processor: 1,
    rtPriority: 7,
    policy: 1,
    startData: 8863072n,
    endData: 9137888n,
    startBrk: 35610624n,
    argStart: 140732386538012n,
    argEnd: 140732386538020n,
    envStart: 140732386538020n,
    envEnd: 140732386541535n,
    exitCode: 256,
  });
});

test("a name may hold brackets, spaces and newlines", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 15 }), (comm) => {
      const stat = parseStat(STAT(comm));
      assert.deepEqual([stat.pid, stat.comm, stat.state, stat.exitCode], [10101, comm, "t", 256]);
    }),
  );
  assert.equal(parseStat(STAT(") R 1 (\n")).comm, ") R 1 (\n");
});

test("a line with fields missing is refused", () => {
  assert.throws(() => parseStat(STAT("x").slice(0, 100)), ProcFormatError);
});

test("any text gives a stat or is refused", () => {
  understandsOrRefuses(parseStat, [STAT("x")]);
});

test("our own stat shows us, our parent and our threads", () => {
  const self = asPid(process.pid);
  const stat = readStat(self);
  assert.deepEqual([stat?.pid, stat?.ppid, stat?.state], [process.pid, process.ppid, "R"]);
  assert.equal(readThreadStat(self, self)?.startTime, stat?.startTime);
});

test("a process that is gone has no stat", () => {
  assert.equal(readStat(asPid(0x3fffff)), undefined);
});
