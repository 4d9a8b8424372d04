// SQLite: POSIX locks on ranges of the database file, a journal that is rolled back by whoever finds it without its lock; or, with a write-ahead
// log, shared memory that is a mapped file.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, startExecutable } from "../support/program.js";
import { atRandomMoments, testWith } from "./moments.js";
import { startService, until } from "./round-trip.js";

const writer = fileURLToPath(new URL("../../../test/scenarios/load/transaction.py", import.meta.url));
const python = "/usr/bin/python3";

/** What another process meets. */
function tries(program: Program, statement: string): string {
  const script = `
import sqlite3, sys
try:
    print(*sqlite3.connect("database", timeout=0, isolation_level=None).execute(sys.argv[1]).fetchone() or ["done"])
except sqlite3.OperationalError as error:
    print(error)`;
  return execFileSync(python, ["-c", script, statement], { cwd: program.directory, encoding: "utf8" }).trim();
}

for (const mode of ["delete", "wal"] as const)
  testWith([python], `SQLite in a transaction, journal mode ${mode}, still holds its locks and commits`, async () => {
    await using service = await startService();
    await using program = await startExecutable("/bin/sh", {
      arguments: ["-c", `mkfifo orders && exec ${python} ${writer} ${mode}`],
      readyLine: "",
    });
    const fifo = join(program.directory, "orders");
    await until("there is a FIFO", () => existsSync(fifo));
    const orders = openSync(fifo, "r+");
    const say = (order: string) => writeSync(orders, `${order}\n`);
    try {
      await program.waitFor("listens");
      say("begin");
      await program.waitFor("round 1 has begun");
      const rows = "select count(*) from rows";
      const others = () => ({ writer: tries(program, "delete from rows"), reader: tries(program, rows) });
      const before = others();
      assert.equal(before.writer, "database is locked");
      await atRandomMoments(service, program.pid, {
        options: { fileLocks: true },
        works: async (moment) => {
          const expected = mode === "wal" ? String((moment - 1) * 3000) : others().reader;
          assert.deepEqual(others(), { writer: "database is locked", reader: expected });
          say("commit");
          await program.waitFor(`round ${moment + 1} has begun`);
        },
      });
      say("end");
      await program.waitFor("ok");
      // It says so before it has closed the database, which takes locks of its own.
      await until("the database is whole", () => tries(program, "pragma integrity_check") === "ok");
      assert.equal(tries(program, "delete from rows"), "done");
    } finally {
      closeSync(orders);
    }
  });
