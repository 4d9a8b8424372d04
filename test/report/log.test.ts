import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { asFd } from "../../src/kernel/brand.js";
import { StasisError } from "../../src/report/error.js";
import { asLevel, type Level, LineLog } from "../../src/report/log.js";

const directory = mkdtempSync(join(tmpdir(), "log-"));
after(() => rmSync(directory, { recursive: true }));

function written(level: Level, write: (log: LineLog) => void): string {
  const path = join(directory, `log-${level}`);
  {
    using log = new LineLog(asFd(openSync(path, "w")), level, { owned: true });
    write(log);
  }
  return readFileSync(path, "utf8");
}
const everything = (log: LineLog) => {
  log.error("e");
  log.warn("w");
  log.info("i");
  log.debug("d");
};

test("a level shows itself and what is worse", () => {
  assert.equal(written(0, everything), "");
  assert.equal(written(1, everything), "Error: e\n");
  assert.equal(written(2, everything), "Error: e\nWarn: w\n");
});

test("from level 3 on every line has its time", () => {
  assert.match(written(3, everything), /^\(00\.\d{6}\) Error: e\n\(00\.\d{6}\) Warn: w\n\(00\.\d{6}\) i\n$/);
  assert.equal(written(4, everything).split("\n").length, 5);
});

test("levels outside of the range are the highest", () => {
  assert.deepEqual([-1, 0, 3, 5, 100].map(asLevel), [4, 0, 3, 4, 4]);
});

test("one message is one line", () => {
  assert.equal(
    written(1, (log) => log.error("a\nb")),
    "Error: a\\nb\n",
  );
});

test("a failure ends the log with its sentence, after its causes", () => {
  const error = new StasisError({
    code: "IO_FAILED",
    doing: "write",
    subject: { kind: "path", path: "/x" },
    reason: "the disk is full",
    cause: new Error("write: ENOSPC"),
  });
  const text = written(4, (log) => log.failure(error));
  assert.match(text, /because of Error: write: ENOSPC/);
  assert.match(text, /Error: Cannot write "\/x": the disk is full\n$/);
});

test("a log that cannot be written fails nothing, and says later how much is missing", () => {
  const full = openSync("/dev/full", "w");
  const log = new LineLog(asFd(full), 1, { owned: false });
  log.error("a");
  log.error("b");
  closeSync(full);
});
