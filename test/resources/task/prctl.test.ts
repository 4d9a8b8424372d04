import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { readStatus } from "../../../src/kernel/proc/status.js";
import { alteredImages } from "../../scenarios/altered-images.js";
import { startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

const proves = {
  counter: "a thread that may not read the time stamp counter may not, another may",
  broken: "the policy of each thread on memory that breaks",
  processor: "a thread in which CPUID faults",
  merge: "that equal pages are merged, those of memory that is mapped later too",
  execute: "that memory which was written may not be run",
};

provesAfterTrip("what prctl(2) says of memory and threads", { "prctl-state": { proves } });
provesAfterTrip("the same where children are to be free of it", {
  "prctl-state": { proves, arguments: ["no-inherit"] },
});

const CAP_SYS_RESOURCE = 1n << 24n;
const isCapable = ((readStatus(asPid(process.pid))?.capEff ?? 0n) & CAP_SYS_RESOURCE) !== 0n;

test("a thread that takes part in block I/O does so again, or is refused where that may not be said", async () => {
  await using service = await startService();
  await using program = await startProgram("prctl-state");
  const { pid } = program;
  const imagesDirectory = await alteredImages(service, program, ({ threadCore }) => {
    assert.ok(threadCore !== undefined);
    threadCore.ioFlusher = true;
  });
  const restoring = service.client.restore({ imagesDirectory });
  if (!isCapable) {
    await assert.rejects(
      restoring,
      /it takes part in block I\/O \(PR_SET_IO_FLUSHER\), which takes CAP_SYS_RESOURCE to say; run/,
    );
    return;
  }
  await restoring;
  assert.equal((readStat(pid)?.flags ?? 0) & 0x180000, 0x180000);
});
