import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { endingWith, startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

const skip = !existsSync("/dev/net/tun") && "the machine has no /dev/net/tun";

provesAfterTrip("queues of TUN and TAP interfaces", {
  "tun-state": {
    skip,
    proves: {
      unattached: "a file that is no queue yet can become one",
      attached: "a queue is one of the same interface, whose packets come out of it",
      nonblocking: "it has its flags",
      queues: "an interface has its queues",
      detached: "one that was detached is so",
      "attached-again": "and can be attached again",
      header: "the header before each packet is as long as it was",
    },
  },
});

test("a queue of an interface that goes away with its program is refused by name", { skip }, async () => {
  await using service = await startService();
  await using program = await startProgram("tun-state", { arguments: ["passing"] });
  using _tree = endingWith(program.pid);
  const message =
    /fd 3 -> \/dev\/net\/tun.*: its interface stasis\d+ would go away with the program; make the interface persistent/;
  await assert.rejects(service.client.dump({ pid: program.pid, imagesDirectory: service.images() }), { message });
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

test("an interface that is not there any more is told before anything is made", { skip }, async () => {
  await using service = await startService();
  await using program = await startProgram("tun-state");
  using _tree = endingWith(program.pid);
  const imagesDirectory = service.images();
  const names = ["stasis", "stasib"].map((name) => `${name}${program.pid % 100000}`);
  await service.client.dump({ pid: program.pid, imagesDirectory });
  await program.gone();
  for (const name of names) assert.equal(spawnSync("ip", ["link", "delete", name]).status, 0);
  const message =
    /interface "?stasis\d+"?: there is no such TUN or TAP interface; make it: ip tuntap add dev stasis\d+ /;
  await assert.rejects(service.client.restore({ imagesDirectory }), { message });
});
