// PostgreSQL: a tree of servers that share a System V segment, anonymous and POSIX shared memory, semaphores and latches in it, and files.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startExecutable } from "../support/program.js";
import { endingWith, roundTrip, startService, until } from "./round-trip.js";

const binaries = "/usr/lib/postgresql/15/bin";
const ROWS = 50_000;
const CHECKSUM = "select md5(string_agg(text, '' order by number)) from rows";

/** A data directory of the user postgres. */
class Cluster implements Disposable {
  readonly #home = mkdtempSync(join(tmpdir(), "postgresql-"));
  readonly #sockets = join(this.#home, "sockets");
  readonly #data = join(this.#home, "data");
  readonly #user = { uid: userId("-u"), gid: userId("-g") };

  constructor() {
    mkdirSync(this.#sockets);
    for (const path of [this.#home, this.#sockets]) chownSync(path, this.#user.uid, this.#user.gid);
    this.#run("initdb", ["-D", this.#data, "-A", "trust", "--no-sync", "--no-instructions"]);
  }

  /** Of setpriv(1): the server refuses to be root's. */
  get server(): string[] {
    const settings = ["log_line_prefix=", "listen_addresses=", `unix_socket_directories=${this.#sockets}`];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const as = [`--reuid=${this.#user.uid}`, `--regid=${this.#user.gid}`, "--clear-groups"];
    return [...as, join(binaries, "postgres"), "-D", this.#data, ...options];
  }

  /** Result: what the last statement gives. */
  ask(...statements: string[]): string {
    const each = statements.flatMap((statement) => ["-c", statement]);
    return this.#run("psql", ["-h", this.#sockets, "-qAt", "-v", "ON_ERROR_STOP=1", "postgres", ...each]).trim();
  }

  #run(program: string, words: readonly string[]): string {
    return execFileSync(join(binaries, program), words, { ...this.#user, cwd: "/", encoding: "utf8" });
  }

  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}
const userId = (what: "-u" | "-g") => Number(execFileSync("id", [what, "postgres"], { encoding: "utf8" }));

test("PostgreSQL with 50,000 rows goes on with every row, writes, vacuums and makes checkpoints", async () => {
  assert.ok(existsSync(binaries), "the Debian package postgresql-15 is not installed");
  using cluster = new Cluster();
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/setpriv", {
    arguments: cluster.server,
    readyLine: "LOG:  database system is ready to accept connections",
  });
  using _ = endingWith(program.pid);
  cluster.ask(`create table rows as select number, md5(number::text) text from generate_series(1, ${ROWS}) number`);
  const checksum = cluster.ask(CHECKSUM);
  const processors = () => readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, "utf8").trim().split(" ");
  await until("no session is left", () => processors().length === 5);

  await roundTrip(service, program.pid);
  assert.equal(cluster.ask(CHECKSUM), checksum);
  const number = cluster.ask(
    `insert into rows select number, md5(number::text) from generate_series(${ROWS + 1}, ${ROWS + 10_000}) number`,
    "delete from rows where number % 3 = 0",
    "vacuum full rows",
    "checkpoint",
    "select count(*) from rows",
  );
  assert.equal(number, "40000");
  program.signal("SIGINT");
  await program.waitFor("LOG:  database system is shut down");
});
