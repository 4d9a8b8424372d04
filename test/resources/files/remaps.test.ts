import assert from "node:assert/strict";
import { type StdioOptions, spawnSync } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { asTargetFd } from "../../../src/kernel/brand.js";
import { readFdinfo } from "../../../src/kernel/proc/fdinfo.js";
import { endingWith, startService } from "../../scenarios/round-trip.js";
import { kernelView } from "../../support/kernel-view.js";
import { type Program, startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("files that their paths do not lead to", {
  "remapped-files": {
    options: { linkRemap: true },
    proves: {
      linked: "a file that lost the name by which it was opened, and has another",
      twice: "two openings of it, by two names that are gone",
      parents: "one whose directory is gone, too",
      leftovers: "names that are gone stay gone",
      dead: "a file below /proc of a task that is gone",
      directory: "/proc of such a task as the current directory",
      namespaces: "namespaces by descriptor",
    },
  },
});

test("without --link-remap a file that lost its name and has another is refused, and nothing is left of the dump", async () => {
  await using service = await startService();
  await using program = await startProgram("remapped-files");
  using _tree = endingWith(program.pid);
  const before = [kernelView(program.pid), readdirSync(program.directory)];
  await assert.rejects(
    service.client.dump({ pid: program.pid, imagesDirectory: service.images() }),
    /remapped-files": its name was removed while it has others; pass --link-remap, or have it closed$/,
  );
  assert.deepEqual([kernelView(program.pid), readdirSync(program.directory)], before);
});

const linksIn = ({ directory }: Program) => readdirSync(directory).filter((name) => name.startsWith("link_remap"));

test("the link of a dump that leaves the program running stays, so that its images can be restored, and goes then", async () => {
  await using service = await startService();
  await using program = await startProgram("remapped-files");
  const imagesDirectory = service.images();
  const options = { imagesDirectory, linkRemap: true };
  await service.client.dump({ ...options, pid: program.pid, leaveRunning: true });
  assert.equal(linksIn(program).length, 1);
  await program.end();
  await program.gone();
  await service.client.restore(options);
  assert.deepEqual(linksIn(program), []);
  program.signal("SIGUSR2");
  assert.match(await program.waitFor("restored"), /^linked: proved$/m);
});

test("a restore that fails leaves the link, and so the next one succeeds", async () => {
  await using service = await startService();
  await using program = await startProgram("remapped-files");
  const options = { imagesDirectory: service.images(), linkRemap: true };
  await service.client.dump({ ...options, pid: program.pid });
  await program.gone();
  const onNotify = ({ script }: { readonly script: string }) => script !== "post-restore";
  await assert.rejects(service.client.restore(options, { onNotify }), /the post-restore notification was refused/);
  assert.equal(linksIn(program).length, 1);
  await service.client.restore(options);
  assert.deepEqual(linksIn(program), []);
  program.signal("SIGUSR2");
  assert.match(await program.waitFor("restored"), /^linked: proved$/m);
});

const stasis = fileURLToPath(new URL("../../../../bin/stasis", import.meta.url));

test("a file that is named by --external is left out, and taken from --inherit-fd", async () => {
  await using program = await startProgram("external-file");
  using _tree = endingWith(program.pid);
  const images = join(program.directory, "images");
  mkdirSync(images);
  const file = join(program.directory, "outside");
  const info = readFdinfo(program.pid, asTargetFd(3));
  const key = `file[${info?.mountId.toString(16)}:${info?.inode?.toString(16)}]`;
  const run = (...words: string[]) => spawnSync(stasis, [...words, "-D", images], { encoding: "utf8", stdio });
  const other = openSync(join(program.directory, "instead"), "a+");
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", other];
  const dumped = run("dump", "-t", String(program.pid), "--external", key);
  assert.equal(dumped.status, 0, dumped.stderr);
  await program.gone();
  const refused = run("restore", "-d");
  assert.match(
    refused.stderr,
    /Cannot restore with option external: file\[\S+ was left out of the dump; pass --inherit-fd/,
  );
  const restored = run("restore", "-d", "--inherit-fd", `fd[3]:${key}`);
  assert.equal(restored.status, 0, restored.stderr);
  assert.equal(readFdinfo(program.pid, asTargetFd(3))?.inode, fstatSync(other, { bigint: true }).ino);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
  assert.deepEqual([readFileSync(file, "utf8"), readFileSync(join(program.directory, "instead"), "utf8")], ["a", "b"]);
  closeSync(other);
});
