import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encodeImage, openImages, readJson, writeJson } from "../../../src/images/library.js";
import { SIG, SIGINFO_BYTES, siginfo } from "../../../src/kernel/abi/signal.js";
import { asPid } from "../../../src/kernel/brand.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { startService, treeOf, until } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("signals", {
  "signal-state": {
    proves: {
      actions: "every signal has its handler, flags and mask, and is ignored or not as before",
      masks: "each thread blocks what it blocked",
      thread: "signals queued to one thread arrive there, in their order and with their payload",
      process: "signals queued to the process arrive in their order, with payload and sender",
      pointer: "a payload is a whole pointer",
      merged: "a signal below the real-time ones that was sent twice is pending once",
      traps: "a SIGTRAP that is pending for the process, and one for a thread, are not taken for those of a tracer",
      child: "the SIGCHLD of a child that ended tells of its exit code, and comes once",
      nothing: "no other signal is pending",
    },
  },
  "every-signal": {
    proves: {
      all: "each of the signals is pending for the process and for a thread, with its payload and its claim of a sender, real-time ones several times",
      continue: "SIGCONT, too",
    },
  },
  "stopped-with-signals": {
    view: async ({ pid }) => {
      await until("the child has taken the stop signal", () => treeOf(pid).some((one) => readStat(one)?.state === "T"));
      return treeOf(pid).map((one) => [one, readStat(one)?.state === "T"]);
    },
    proves: {
      still: "a stopped process stays stopped",
      held: "and is not ended by a signal that it was sent",
      handled: "which it handles when it is continued, after those that came before",
      deadly: "another is ended by a signal when it is continued",
      blocked: "SIGCONT that is blocked is pending, and continues nothing that runs",
    },
  },
});

test("signals that arrive during dumps that leave a program running all arrive, in their order", async () => {
  await using service = await startService();
  await using program = await startProgram("hears-signals");
  await using sender = await startProgram("sends-signals", { arguments: [String(program.pid)] });
  for (let dumps = 0; dumps < 5; dumps++)
    await service.client.dump({ pid: program.pid, imagesDirectory: service.images(), leaveRunning: true });
  sender.signal("SIGUSR2");
  const sent = Number(/^sent (\d+)$/m.exec(await sender.waitFor("restored"))?.[1]);
  assert.ok(sent > 0);
  program.signal("SIGUSR2");
  assert.match(await program.waitFor("restored"), new RegExp(`^heard ${sent}, 0 of them out of order$`, "m"));
});

test("a process that is stopped, or continued, during a dump is so after it", async () => {
  await using service = await startService();
  await using program = await startProgram("hears-signals");
  const { pid } = program;
  const state = () => readStat(pid)?.state;
  const duringDump = async (signal: NodeJS.Signals) => {
    // Everything is frozen by then.
    const onNotify = ({ script }: { readonly script: string }) => {
      if (script === "post-dump") program.signal(signal);
      return true;
    };
    await service.client.dump(
      { pid, imagesDirectory: service.images(), leaveStopped: false, leaveRunning: true },
      { onNotify },
    );
  };
  await duringDump("SIGSTOP");
  await until("it has stopped", () => state() === "T");
  await duringDump("SIGCONT");
  await until("it goes on", () => state() !== "T");
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("a process that was stopped, and continued while the dump looked at it, goes on; its parent hears of that", async () => {
  await using service = await startService();
  await using program = await startProgram("continued");
  const [, , continued] = /^children (\d+) (\d+)$/m.exec(program.output()) ?? [];
  assert.ok(continued !== undefined);
  const imagesDirectory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory });
  const core = writeJson(openImages(imagesDirectory).toJson("core", Number(continued)));
  const signal = Buffer.from(
    siginfo.encode({ ...siginfo.decode(new Uint8Array(SIGINFO_BYTES)), si_signo: SIG.SIGCONT }),
  );
  const json = core.replace(
    '"signals_s": {}',
    `"signals_s": {"signals": [{"siginfo": "${signal.toString("base64")}"}]}`,
  );
  writeFileSync(join(imagesDirectory, `core-${continued}.img`), encodeImage(readJson(json)));
  await program.gone();
  await until("the children are gone", () => readStat(asPid(Number(continued))) === undefined);
  await service.client.restore({ imagesDirectory });
  await program.waitFor("restored");
});
