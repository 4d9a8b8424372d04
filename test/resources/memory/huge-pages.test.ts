import { readFileSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { provesAfterTrip } from "../../support/proofs.js";

const NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages";
/** Two programs at a time, each of two processes, and what is made again while the old is still there. */
const WANTED = 40;
const before = Number(readFileSync(NR_HUGEPAGES, "utf8"));
if (before < WANTED) writeFileSync(NR_HUGEPAGES, String(WANTED));
after(() => writeFileSync(NR_HUGEPAGES, String(before)));

const there = Number(readFileSync(NR_HUGEPAGES, "utf8"));
if (there >= WANTED) {
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
