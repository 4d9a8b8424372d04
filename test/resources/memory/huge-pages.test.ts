import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { provesAfterTrip } from "../../support/proofs.js";

const NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages";
/** Two programs at a time, each of two processes, and what is made again while the old is still there. */
const WANTED = 70;
const before = Number(readFileSync(NR_HUGEPAGES, "utf8"));
if (before < WANTED) writeFileSync(NR_HUGEPAGES, String(WANTED));
after(() => writeFileSync(NR_HUGEPAGES, String(before)));

const there = Number(readFileSync(NR_HUGEPAGES, "utf8"));
if (there >= WANTED) {
  const mount = mkdtempSync(join(tmpdir(), "stasis-huge-"));
  execFileSync("mount", ["-t", "hugetlbfs", "none", mount]);
  after(() => {
    execFileSync("umount", [mount]);
    rmdirSync(mount);
  });
  provesAfterTrip("files of a mounted hugetlbfs", {
    "huge-files": {
      arguments: [mount],
      options: { ghostLimit: 64 << 20 },
      proves: {
        named: "a file has its contents, and a private mapping what it changed",
        deleted: "a file that was deleted has its contents, and is one with its mapping",
        mapped: "so has one that is only mapped any more",
        holes: "pages that were never touched take no memory",
      },
    },
  });
  provesAfterTrip("huge pages", {
    "huge-pages": {
      proves: {
        private: "private memory has its contents, and none where none was",
        shared: "shared memory has its contents, and is shared with a child",
        child: "a child has its private memory",
        file: "a sealed memfd has its contents and seals",
        changed: "a private mapping of it has what it changed, and the rest",
        holes: "pages that were never touched take no memory",
      },
    },
  });
} else test("huge pages", { skip: `the kernel has memory for ${there} of ${WANTED} huge pages` }, () => {});
