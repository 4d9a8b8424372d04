import assert from "node:assert/strict";
import { test } from "node:test";
import { UserX86RegsMode } from "../../../src/images/format/entries.js";
import { runs32BitCode } from "../../../src/kernel/code-32.js";
import { readAuxv } from "../../../src/kernel/proc/auxv.js";
import { readMappings } from "../../../src/kernel/proc/maps.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { alteredImages } from "../../scenarios/altered-images.js";
import { endingWith, roundTrip, startService } from "../../scenarios/round-trip.js";
import { no32BitCode, startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("a program of 32-bit code", {
  "compat-state": {
    linked: "compat",
    // The kernel shows the page that only 64-bit code has in whatever was not executed as 32-bit code.
    view: ({ pid }) => [
      readAuxv(pid),
      readMappings(pid).flatMap(({ start, end, path }) => (path === "[vsyscall]" ? [] : [[start, end, path]])),
    ],
    proves: {
      registers: "the registers of a thread in user mode",
      vectors: "its xmm registers and its x87 stack",
      sleep: "a thread sleeps on",
      read: "a thread goes on reading a pipe",
      storage: "thread-local storage, gs, of each thread",
      robust: "the robust mutex of a thread that ends is handed on",
      areas: "another entry of set_thread_area(2)",
      handler: "a handler runs on its alternate stack, with the payload, and returns",
      pending: "a queued signal with a pointer",
      mask: "blocked signals",
      vdso: "the vdso of 32-bit code is where it was",
      vector: "the auxiliary vector",
      memory: "memory, its heap goes on growing, and it can map more",
      timer: "timers",
      child: "a child",
      fork: "it can fork",
    },
  },
});

test("its images are refused by name where nothing runs 32-bit code", {
  skip: runs32BitCode() && "this machine runs it",
}, async () => {
  await using service = await startService();
  await using program = await startProgram("idle");
  const imagesDirectory = await alteredImages(service, program, ({ threadInfo }) => {
    assert.ok(threadInfo?.gpregs !== undefined);
    threadInfo.gpregs.mode = UserX86RegsMode.COMPAT;
  });
  await assert.rejects(
    service.client.restore({ imagesDirectory }),
    /Cannot restore idle: it runs 32-bit code, which this machine does not/,
  );
  assert.equal(readStat(program.pid), undefined);
});

test("whether a machine runs 32-bit code is what it does with a program of a compiler", async () => {
  const start = async () => {
    await using _program = await startProgram("idle", { linked: "compat" });
  };
  if (runs32BitCode()) await start();
  else await assert.rejects(start, /was to say "ready" and ended/);
});

test("it is dumped and restored again and again", { skip: no32BitCode }, async () => {
  await using service = await startService();
  await using program = await startProgram("compat-state", { linked: "compat" });
  using _ = endingWith(program.pid);
  for (let trips = 0; trips < 3; trips++) await roundTrip(service, program.pid);
  program.signal("SIGUSR2");
  const said = await program.waitFor("restored");
  assert.doesNotMatch(said, /not so/);
});
