// Watches on inodes whose paths do not lead to them any more: --force-irmap, --irmap-scan-path.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openImages } from "../../../src/images/library.js";
import { kernelDevice } from "../../../src/kernel/device.js";
import { InodeSearch } from "../../../src/resources/files/watches/search.js";
import { startService } from "../../scenarios/round-trip.js";
import { placeFor } from "../../support/images.js";
import { startProgram } from "../../support/program.js";

const { directory, images } = placeFor("irmap");
let made = 0;

/** A program that watches a file which has a name under `shown` left, its other one is under a mount. */
async function startWatcher() {
  const place = join(directory, `${++made}`);
  const [hidden, shown] = [join(place, "hidden"), join(place, "shown")];
  for (const path of [place, hidden, shown]) mkdirSync(path);
  writeFileSync(join(shown, "file"), "");
  // Of the names of an inode, a handle leads to the one that was looked up last: d_find_any_alias in fs/dcache.c.
  linkSync(join(shown, "file"), join(hidden, "file"));
  const program = await startProgram("hidden-watch", { arguments: [join(hidden, "file"), join(shown, "file")] });
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", hidden]);
  return {
    program,
    shown,
    async [Symbol.asyncDispose]() {
      await program.end();
      await program[Symbol.asyncDispose]();
      execFileSync("umount", [hidden]);
    },
  };
}

test("a watched inode is found in a directory that --irmap-scan-path names, and is watched again by that path", async () => {
  await using service = await startService();
  await using watcher = await startWatcher();
  const { program, shown } = watcher;
  const imagesDirectory = images();
  await service.client.dump({ pid: program.pid, imagesDirectory, forceIrmap: true, irmapScanPaths: [shown] });
  const paths = openImages(imagesDirectory)
    .entries("files")
    .flatMap(({ ify }) => ify?.wd.map(({ fHandle }) => fHandle?.path) ?? []);
  assert.deepEqual(paths, [join(shown, "file")]);
  await program.gone();
  await service.client.restore({ imagesDirectory });
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("one that is in none of the searched directories is refused by name with --force-irmap, and is watched on", async () => {
  await using service = await startService();
  await using watcher = await startWatcher();
  const { program } = watcher;
  await assert.rejects(
    service.client.dump({ pid: program.pid, imagesDirectory: images(), forceIrmap: true }),
    /: it watches inode \d+ of device \d+:\d+, whose path cannot be found; pass --irmap-scan-path with a directory that it is in, or have/,
  );
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("a directory that is removed while it is searched is passed over", () => {
  const place = join(directory, "searched");
  const [first, last] = [join(place, "1"), join(place, "2")];
  for (const path of [place, first, last]) mkdirSync(path);
  const inodeOf = (path: string) => {
    const { dev, ino } = statSync(path, { bigint: true });
    return { device: kernelDevice(dev), inode: ino };
  };
  const wanted = inodeOf(last);
  const search = new InodeSearch({ options: { irmapScanPaths: [place] } });
  assert.equal(search.find(inodeOf(first)), first);
  rmdirSync(first);
  assert.equal(search.find(wanted), last);
});
