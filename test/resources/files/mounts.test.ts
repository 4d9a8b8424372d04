// Files whose file system is not what their path shows at first sight.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startService } from "../../scenarios/round-trip.js";
import { startExecutable } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

const place = mkdtempSync(join(tmpdir(), "mounts-"));
const mount = (...words: string[]) => execFileSync("mount", words);
const unmount = (path: string) => execFileSync("umount", ["--lazy", path]);

/** In a tmpfs: an overlay file system does not take every file system for its upper layer. */
function mountOverlay(): string {
  mount("-t", "tmpfs", "tmpfs", place);
  const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => join(place, name));
  for (const path of [lower, upper, work, merged]) mkdirSync(String(path));
  for (const directory of ["1", "2"]) {
    mkdirSync(join(String(lower), directory));
    for (const name of ["lower", "changed", "deleted"]) writeFileSync(join(String(lower), directory, name), name);
  }
  mount("-t", "overlay", "overlay", "-o", `lowerdir=${lower},upperdir=${upper},workdir=${work}`, String(merged));
  return String(merged);
}

const overlay = mountOverlay();
after(() => {
  unmount(overlay);
  unmount(place);
  rmSync(place, { recursive: true });
});

provesAfterTrip("files of an overlay file system", {
  "overlay-files": {
    arguments: [overlay],
    proves: {
      lower: "a file of the lower layer, open and mapped",
      opened: "a file that was opened for reading before it was copied up is what it was by then",
      changed: "a file that was copied up, as it is now",
      new: "a file of the upper layer, with its position",
      deleted: "a file of the lower layer that was deleted has its contents",
      written: "what is written is there for others",
    },
  },
});

test("a file that a mount hides is refused with the reason", async () => {
  await using service = await startService();
  const directory = join(place, "hidden");
  mkdirSync(directory);
  writeFileSync(join(directory, "file"), "");
  await using program = await startExecutable("/bin/sh", {
    arguments: ["-c", 'exec 3<"$0/file"; echo ready; while :; do sleep 1 3<&-; done', directory],
  });
  mount("-t", "tmpfs", "tmpfs", directory);
  const dumped = service.client.dump({ pid: program.pid, imagesDirectory: service.images() });
  await assert
    .rejects(
      dumped,
      /^CriuRequestError: .*another file is at its path, or none: a mount hides it; unmount what lies over it, or run stasis in its mount namespace$/s,
    )
    .finally(() => unmount(directory));
  await service.client.dump({ pid: program.pid, imagesDirectory: service.images() });
});
