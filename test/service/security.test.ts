// A client who is nobody special, and a service that lets everybody in: what it may do is what the kernel lets it do itself. CRIU's service
// dumps and kills any process for whoever can connect.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { encodeImage, openImages, readJson, writeJson } from "../../src/images/library.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { startExecutable } from "../support/program.js";
import { type RunningService, startServiceIn, program as stasis } from "./running-service.js";

const NOBODY = 65534;
const directory = mkdtempSync(join(tmpdir(), "security-"));
let service: RunningService;
before(async () => {
  chmodSync(directory, 0o755);
  service = await startServiceIn(directory, "open", "--allow", "any", "-v0", "--workers", "1");
});
after(async () => {
  await service.stop();
  rmSync(directory, { recursive: true });
});

const script = fileURLToPath(new URL("./as-user.js", import.meta.url));
interface Outcome {
  readonly result?: { readonly pid?: number };
  readonly failed?: string;
  readonly crErrno?: number;
}
const asNobody = (method: "dump" | "restore", options: object): Outcome =>
  JSON.parse(
    execFileSync(process.execPath, [script, service.path, String(NOBODY), method, JSON.stringify(options)], {
      encoding: "utf8",
    }),
  );

let made = 0;
function newDirectory(owner: number, mode = 0o755): string {
  const path = join(directory, `images-${++made}`);
  mkdirSync(path);
  chownSync(path, owner, owner);
  chmodSync(path, mode);
  return path;
}

const ticking = `
import time
n = 0
while True:
    n += 1
    print("tick", n, flush=True)
    time.sleep(0.01)
`;
const startOfRoot = () => startExecutable("/usr/bin/python3", { arguments: ["-c", ticking], readyLine: "tick 3" });
const startOfNobody = () => {
  const become = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
  return startExecutable("/usr/bin/setpriv", {
    arguments: [...become, "/usr/bin/python3", "-c", ticking],
    readyLine: "tick 3",
  });
};

test("a client dumps and restores a process of its own, as itself, into files of its own", async () => {
  await using program = await startOfNobody();
  chmodSync(program.directory, 0o755);
  const imagesDirectory = newDirectory(NOBODY);
  const before = readStatus(program.pid);
  assert.deepEqual(asNobody("dump", { pid: program.pid, imagesDirectory }), { result: { restored: false } });
  for (const file of readdirSync(imagesDirectory))
    assert.equal(statSync(join(imagesDirectory, file)).uid, NOBODY, file);
  await program.gone();
  chownSync(join(program.directory, "output"), NOBODY, NOBODY);
  assert.deepEqual(asNobody("restore", { imagesDirectory }), { result: { pid: program.pid } });
  const now = readStatus(program.pid);
  for (const field of ["uids", "gids", "groups", "capPrm", "capEff", "capInh", "capAmb"] as const)
    assert.deepEqual(now?.[field], before?.[field], field);
});

test("a process of somebody else cannot be dumped, and runs on", async () => {
  await using program = await startOfRoot();
  const imagesDirectory = newDirectory(NOBODY);
  const { failed = "" } = asNobody("dump", { pid: program.pid, imagesDirectory });
  assert.match(failed, new RegExp(`pid ${program.pid}.*: `));
  assert.match(readStat(program.pid)?.state ?? "gone", /^[SR]$/);
  assert.equal(readStatus(program.pid)?.tracerPid ?? 0, 0);
});

test("a directory that the client cannot write to gets no images", async () => {
  await using program = await startOfNobody();
  for (const path of [newDirectory(0), newDirectory(0, 0o700)]) {
    const { failed } = asNobody("dump", { pid: program.pid, imagesDir: path });
    assert.match(failed ?? "", /EACCES|permission denied/i);
    assert.deepEqual(readdirSync(path), []);
  }
  assert.match(readStat(program.pid)?.state ?? "gone", /^[SR]$/);
});

test("credentials that the client does not have are not restored, and nothing is left of the attempt", async () => {
  await using program = await startOfRoot();
  const imagesDirectory = newDirectory(NOBODY);
  execFileSync(stasis, ["dump", "-t", String(program.pid), "-D", imagesDirectory, "-v0"]);
  await program.gone();
  const { failed, crErrno } = asNobody("restore", { imagesDirectory });
  assert.ok(failed !== undefined, "root's process was restored for nobody");
  assert.notEqual(crErrno, 17);
  assert.equal(readStat(program.pid), undefined);
});

test("images that claim a capability which the service lent itself are refused", async () => {
  await using program = await startOfNobody();
  chmodSync(program.directory, 0o755);
  const imagesDirectory = newDirectory(NOBODY);
  asNobody("dump", { pid: program.pid, imagesDirectory });
  await program.gone();
  chownSync(join(program.directory, "output"), NOBODY, NOBODY);
  for (const field of ["cap_prm", "cap_inh"]) {
    const crafted = newDirectory(NOBODY);
    cpSync(imagesDirectory, crafted, { recursive: true, filter: (path) => !path.endsWith(".log") });
    const core = writeJson(openImages(crafted).toJson("core", program.pid));
    const json = readJson(core.replaceAll(`"${field}": [0, 0]`, `"${field}": [0, ${1 << 8}]`));
    writeFileSync(join(crafted, `core-${program.pid}.img`), encodeImage(json));
    const { failed = "" } = asNobody("restore", { imagesDirectory: crafted });
    assert.match(failed, /it holds capabilities that stasis does not \(mask 0x10000000000\)/);
    assert.equal(readStat(program.pid), undefined);
  }
});

test("programs and configuration files are run and read for the owner only", async () => {
  const imagesDirectory = newDirectory(NOBODY);
  const attempts = [{ execCmd: ["id"] }, { configFile: "/etc/shadow" }];
  for (const options of attempts) {
    const { failed, crErrno } = asNobody("restore", { imagesDirectory, ...options });
    assert.match(failed ?? "", /(config_file|exec_cmd): it is for root and the owner of the service; leave it out/);
    assert.equal(crErrno, 13);
  }
});

test("whoever is not let in is refused; users and groups are let in by number and name", async () => {
  await using other = await startServiceIn(
    directory,
    "some",
    "--allow",
    "1,@nogroup",
    "-v0",
    "--workers",
    "1",
    "--socket-group",
    "daemon",
    "--socket-mode",
    "660",
  );
  assert.equal(statSync(other.path).gid, Number(/^daemon:[^:]*:(\d+)/m.exec(readFileSync("/etc/group", "utf8"))?.[1]));
  assert.equal(statSync(other.path).mode & 0o777, 0o660);
});
