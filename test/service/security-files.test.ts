// What a client who is nobody special can have written, read and restored: nothing that it could not itself.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encodeImage, openImages, type RecordName, readJson, writeJson } from "../../src/images/library.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { readStatus } from "../../src/kernel/proc/status.js";
import { type Program, startExecutable } from "../support/program.js";
import { NOBODY, openService, startOfNobody, ticking } from "./as-nobody.js";
import { program as stasis } from "./running-service.js";

const { directory, asNobody, newDirectory } = openService("security-files");
const startOfRoot = () => startExecutable("/usr/bin/python3", { arguments: ["-c", ticking], readyLine: "tick 3" });

/** A program of nobody's that has been dumped and is gone, and its images. */
async function dumpedOfNobody(code = ticking): Promise<{ program: Program; imagesDirectory: string }> {
  const program = await startOfNobody(code);
  const imagesDirectory = newDirectory(NOBODY);
  const { failed } = asNobody("dump", { pid: program.pid, imagesDirectory, extUnixSk: true });
  assert.equal(failed, undefined);
  await program.gone();
  chownSync(join(program.directory, "output"), NOBODY, NOBODY);
  return { program, imagesDirectory };
}

/** A copy of the images with one of them changed, as JSON. */
function crafted(
  imagesDirectory: string,
  name: RecordName,
  id: number | undefined,
  change: (text: string) => string,
): string {
  const copy = newDirectory(NOBODY);
  cpSync(imagesDirectory, copy, { recursive: true, filter: (path) => !path.endsWith(".log") });
  const before = writeJson(openImages(copy).toJson(name, id));
  const after = change(before);
  assert.notEqual(after, before);
  writeFileSync(join(copy, id === undefined ? `${name}.img` : `${name}-${id}.img`), encodeImage(readJson(after)));
  return copy;
}

/** Restores as nobody: refused, and nothing is left. Result: the sentence. */
function refusal(imagesDirectory: string, { pid }: Program): string {
  const { failed, crErrno } = asNobody("restore", { imagesDirectory });
  assert.ok(failed !== undefined, "it was restored");
  assert.notEqual(crErrno, 17);
  assert.equal(readStat(pid), undefined);
  return failed;
}

function secret(): string {
  const path = join(newDirectory(0), "secret");
  writeFileSync(path, "secret of root", { mode: 0o600 });
  return path;
}

test("a directory that the client cannot write to gets no images", async () => {
  await using program = await startOfNobody();
  for (const path of [newDirectory(0), newDirectory(0, 0o700)]) {
    const { failed } = asNobody("dump", { pid: program.pid, imagesDir: path });
    assert.match(failed ?? "", /EACCES|permission denied/i);
    assert.deepEqual(readdirSync(path), []);
  }
  assert.match(readStat(program.pid)?.state ?? "gone", /^[SR]$/);
});

test("nor does one of somebody else that the client has open: neither images, nor a log", async () => {
  await using program = await startOfNobody();
  const ours = newDirectory(NOBODY);
  for (const mode of [0o755, 0o700]) {
    const theirs = newDirectory(0, mode);
    const attempts = [
      { openedByRoot: { imagesDirFd: theirs } },
      { openedByRoot: { imagesDirFd: ours, workDirFd: theirs } },
    ];
    for (const options of attempts) {
      const { failed } = asNobody("dump", { pid: program.pid, leaveRunning: true, ...options });
      assert.match(failed ?? "", /EACCES|permission denied/i);
      assert.deepEqual(readdirSync(theirs), []);
    }
  }
});

test("links in the directory of the images lead nowhere: what they name is neither written nor read", async () => {
  await using program = await startOfNobody();
  const path = secret();
  const images = newDirectory(NOBODY);
  for (const name of ["inventory.img", "pstree.img", "pages-1.img", `core-${program.pid}.img`, "stats-dump"])
    symlinkSync(path, join(images, name));
  const options = { pid: program.pid, imagesDirectory: images, leaveRunning: true };
  assert.equal(asNobody("dump", options).failed, undefined);
  assert.equal(readFileSync(path, "utf8"), "secret of root");
  const logging = newDirectory(NOBODY);
  symlinkSync(path, join(logging, "criu.log"));
  assert.match(asNobody("dump", { ...options, imagesDirectory: logging }).failed ?? "", /"criu\.log".*: EACCES/);
  const reading = newDirectory(NOBODY);
  symlinkSync(path, join(reading, "inventory.img"));
  assert.match(asNobody("restore", { imagesDirectory: reading }).failed ?? "", /permission denied|EACCES/);
  assert.equal(readFileSync(path, "utf8"), "secret of root");
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

test("images of its own that claim other ids, groups or capabilities are refused", async () => {
  const { program, imagesDirectory } = await dumpedOfNobody();
  await using _ = program;
  const ids = ["uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"].map(
    (name) => (text: string) => text.replace(`"${name}": ${NOBODY}`, `"${name}": 0`),
  );
  for (const change of ids)
    assert.match(
      refusal(crafted(imagesDirectory, "core", program.pid, change), program),
      /Cannot restore pid \d+ "python3": it has (user|group) ids that stasis may not give \(0\); run stasis with CAP_SET[UG]ID$/,
    );
  const others = [
    (text: string) => text.replace(/"cap_eff": \[0, 0\]/, '"cap_eff": [1, 0]'),
    (text: string) => text.replace(/"cap_amb": \[0, 0\]/, '"cap_amb": [1, 0]'),
    (text: string) => text.replace(/"secbits": 0/, '"secbits": 1'),
    (text: string) => text.replace(/"groups": \[\]|"secbits": 0/, '"groups": [0], "secbits": 0'),
  ];
  for (const change of others) refusal(crafted(imagesDirectory, "core", program.pid, change), program);
});

test("images that claim a capability which the service lent itself are refused", async () => {
  const { program, imagesDirectory } = await dumpedOfNobody();
  await using _ = program;
  for (const field of ["cap_prm", "cap_inh"]) {
    const change = (text: string) => text.replaceAll(`"${field}": [0, 0]`, `"${field}": [0, ${1 << 8}]`);
    assert.match(
      refusal(crafted(imagesDirectory, "core", program.pid, change), program),
      /it holds capabilities that stasis does not \(mask 0x10000000000\)/,
    );
  }
});

test("images that name a file which the client may not open, or another root, are refused", async () => {
  const { program, imagesDirectory } = await dumpedOfNobody(`kept = open("/etc/passwd")\n${ticking}`);
  await using _ = program;
  const path = secret();
  const file = crafted(imagesDirectory, "files", undefined, (text) =>
    text.replace('"/etc/passwd"', JSON.stringify(path)),
  );
  assert.match(refusal(file, program), /secret.*(EACCES|permission denied|bytes now)/i);
  const root = crafted(imagesDirectory, "files", undefined, (text) => text.replace('"name": "/"', '"name": "/tmp"'));
  assert.match(refusal(root, program), /EPERM|not permitted/i);
});

test("a restored program does not become what its file is: setuid counts on execve(2) alone", async () => {
  const { program, imagesDirectory } = await dumpedOfNobody();
  await using _ = program;
  const [exe = ""] = /\/usr\/bin\/python3[.\d]*/.exec(writeJson(openImages(imagesDirectory).toJson("files"))) ?? [];
  const setuid = join(directory, "setuid-python");
  copyFileSync(exe, setuid);
  chmodSync(setuid, 0o4755);
  const images = crafted(imagesDirectory, "files", undefined, (text) =>
    text.replaceAll(JSON.stringify(exe), JSON.stringify(setuid)),
  );
  const { result, failed } = asNobody("restore", { imagesDirectory: images });
  assert.deepEqual([result?.pid, failed], [program.pid, undefined]);
  const status = readStatus(program.pid);
  assert.deepEqual([status?.uids, status?.capPrm], [[NOBODY, NOBODY, NOBODY, NOBODY], 0n]);
});

test("a socket of another program is connected to only where the client may connect", async () => {
  const place = newDirectory(0);
  const path = join(place, "socket");
  const listen = `import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("ready", flush=True)
time.sleep(100000)`;
  await using _outside = await startExecutable("/usr/bin/python3", { arguments: ["-c", listen, path] });
  chmodSync(path, 0o666);
  const connects = `import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(${JSON.stringify(path)})`;
  const { program, imagesDirectory } = await dumpedOfNobody(`${connects}\n${ticking}`);
  await using _ = program;
  chmodSync(path, 0o600);
  const { failed = "" } = asNobody("restore", { imagesDirectory, extUnixSk: true });
  assert.match(failed, /EACCES/);
  assert.equal(readStat(program.pid), undefined);
});

test("descriptors are the client's own, and what reaches past the images is refused by name", async () => {
  await using program = await startOfNobody();
  const imagesDirectory = newDirectory(NOBODY);
  const options = { pid: program.pid, imagesDirectory, leaveRunning: true };
  const attempts: readonly [object, RegExp][] = [
    [{ statusFd: 999 }, /status_fd: the client has no such descriptor open/],
    [{ progressFd: 999 }, /progress_fd: the client has no such descriptor open/],
    [{ inheritFd: [{ key: "file[1:2]", fd: 3 }] }, /inherit_fd: the service is no child of the client/],
    [{ parentImg: "../../../root" }, /prev-images-dir: /],
    [{ logFile: "../log" }, /log_file: it names a directory/],
    [{ root: "/", rstSibling: true }, /rst_sibling: the service is no child of the client/],
  ];
  for (const [more, sentence] of attempts)
    assert.match(asNobody("dump", { ...options, ...more }).failed ?? "", sentence);
  assert.equal(readStatus(program.pid)?.tracerPid ?? 0, 0);
});
