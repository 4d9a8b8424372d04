// `stasis check`: what is there, what is not, what works without it and how to get it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { findings } from "../../src/operations/check.js";
import { hostThings } from "../../src/operations/host.js";
import { program } from "../service/running-service.js";

interface Answer {
  readonly usable: boolean;
  readonly things: readonly { readonly name: string; readonly found: boolean; readonly needed: boolean }[];
}
const without = (capability: string, ...args: string[]) => {
  const command = ["--bounding-set", `-${capability}`, "--inh-caps", `-${capability}`, program, "check", ...args];
  return spawnSync("setpriv", command, { encoding: "utf8" });
};
const namesMissing = ({ things }: Answer) => things.filter(({ found }) => !found).map(({ name }) => name);

test("everything is said with what works without it and how to get it", () => {
  const { status, stdout } = spawnSync(program, ["check"], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /\nLooks good\.\n$/);
  for (const { area, name, found, without: lacking, remedy } of findings()) {
    assert.ok(stdout.includes(`${found ? "yes" : "no "}  ${area.padEnd(11)}${name}\n`), name);
    assert.equal(
      stdout.includes(`without it ${lacking}; ${remedy}\n`),
      stdout.includes(`no   ${area}`) && !found,
      name,
    );
  }
});

test("in JSON it is the same, and says by one word whether anything works", () => {
  const { status, stdout } = spawnSync(program, ["check", "--json"], { encoding: "utf8" });
  const answer: Answer = JSON.parse(stdout);
  assert.deepEqual([status, answer.usable], [0, true]);
  assert.deepEqual(
    answer.things.map(({ name }) => name),
    hostThings.map(({ name }) => name),
  );
});

test("a capability that is missing is named, and stops nothing but what needs it", () => {
  const { status, stdout } = without("net_admin");
  assert.equal(status, 0);
  assert.match(
    stdout,
    /no {3}capability CAP_NET_ADMIN\n {7}without it TCP connections cannot be dumped or restored; all else can; run as root, or grant CAP_NET_ADMIN\n/,
  );
  const answer: Answer = JSON.parse(without("net_admin", "--json").stdout);
  assert.deepEqual(
    namesMissing(answer).filter((name) => /NET_ADMIN|nf_tables/.test(name)),
    ["nf_tables", "CAP_NET_ADMIN"],
  );
});

test("one that is needed makes it fail with a sentence", () => {
  const { status, stdout, stderr } = without("sys_ptrace", "--json");
  const answer: Answer = JSON.parse(stdout);
  assert.deepEqual([status, answer.usable], [1, false]);
  assert.equal(
    stderr,
    "Error: Cannot dump and restore on this machine: it does not have CAP_SYS_PTRACE; run as root, or grant CAP_SYS_PTRACE\n",
  );
});
