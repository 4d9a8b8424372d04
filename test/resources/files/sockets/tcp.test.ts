import assert from "node:assert/strict";
import { test } from "node:test";
import { endingWith, startService } from "../../../scenarios/round-trip.js";
import { treeView } from "../../../support/kernel-view.js";
import { socketsOf } from "../../../support/net-view.js";
import { startExecutable } from "../../../support/program.js";
import { provesAfterTrip } from "../../../support/proofs.js";
import { socketView } from "../../../support/socket-view.js";
import { childIn, sharedWithChild } from "./shared-with-child.js";

provesAfterTrip("TCP connections", {
  "tcp-connections": {
    proves: {
      talks: "both ends talk on",
      talks6: "over IPv6",
      mapped: "over IPv4 between IPv6 sockets",
      options: "options, and what both ends agreed on when they met",
      unread: "what was not read yet is read",
      full: "what was not sent yet arrives, every byte once",
      half: "a direction that ended after last words",
      answered: "and the other one still carries an answer",
      half6: "the same over IPv6",
      closed: "what a closed end had sent is read, and then comes its end",
      stuck: "an end that could not be sent yet is sent after all data",
      over: "a connection that is over is over",
      deaf: "an end that does not listen any more",
    },
    options: { tcpEstablished: true },
    view: ({ pid }) => [treeView(pid), socketsOf(pid), socketView(pid)],
  },
});

test("a connection that a process outside of the tree has open as well is refused, and works on", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", sharedWithChild("tcp")] });
  using _tree = endingWith(program.pid);
  const child = childIn(program.output());
  const dumped = service.client.dump({ pid: child, imagesDirectory: service.images(), tcpEstablished: true });
  await assert.rejects(dumped, {
    message: new RegExp(
      `its TCP connection is open in pid ${program.pid} "python3" as well, which is outside of the tree; dump that`,
    ),
  });
  program.signal("SIGUSR2");
  await program.waitFor("still connected");
});
