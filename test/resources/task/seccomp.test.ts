import assert from "node:assert/strict";
import { test } from "node:test";
import { readStatus } from "../../../src/kernel/proc/status.js";
import { mayAskListener } from "../../../src/resources/task/seccomp-dumped.js";
import { startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("what system calls threads may make", {
  "seccomp-state": {
    proves: {
      strict: "strict mode",
      stacked: "filters upon filters",
      deadly: "a filter that kills",
      flags: "the flags of a filter",
      narrow: "a filter that allows none of the calls that a dump makes",
      unprivileged: "a filter that was set with rights that are gone, without no_new_privs",
      threads: "threads whose filters begin alike and go on apart",
      second: "a thread that is filtered while the first is not",
      alike: "threads with the same filters can get another one at once",
      ahead: "so can those of which one has one more",
    },
  },
});

test("a filter asks a listener when it returns that action, or one that it computes", () => {
  const returns = (code: number, k: number) =>
    new Uint8Array([code, 0, 0, 0, k & 0xff, (k >> 8) & 0xff, (k >> 16) & 0xff, (k >> 24) & 0xff]);
  assert.equal(mayAskListener(returns(0x06, 0x7fff0000)), false);
  assert.equal(mayAskListener(returns(0x06, 0x7fc00001)), true);
  assert.equal(mayAskListener(returns(0x16, 0)), true);
  assert.equal(mayAskListener(new Uint8Array([...returns(0x20, 0x7fc00000), ...returns(0x06, 0x80000000)])), false);
});

test("no_seccomp leaves the filters out of the images", async () => {
  await using service = await startService();
  await using program = await startProgram("refused", { arguments: ["seccomp"] });
  const before = readStatus(program.pid);
  assert.equal(before?.seccomp, 2);
  await assert.rejects(service.client.dump({ pid: program.pid, imagesDirectory: service.images() }), /asks a listener/);
  const imagesDirectory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory, noSeccomp: true });
  await program.gone();
  await service.client.restore({ imagesDirectory });
  assert.equal(readStatus(program.pid)?.seccomp, 0);
});
