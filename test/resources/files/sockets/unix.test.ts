import assert from "node:assert/strict";
import { test } from "node:test";
import { CriuRequestError } from "../../../../src/index.js";
import { startService } from "../../../scenarios/round-trip.js";
import { treeView } from "../../../support/kernel-view.js";
import { startExecutable } from "../../../support/program.js";
import { provesAfterTrip } from "../../../support/proofs.js";
import { socketView } from "../../../support/socket-view.js";
import { childIn, sharedWithChild } from "./shared-with-child.js";

provesAfterTrip("unix sockets", {
  "unix-sockets": {
    view: ({ pid }) => [treeView(pid), socketView(pid)],
    proves: {
      stream: "a pair of streams talks on",
      packets: "packets that waited keep their ends",
      datagrams: "datagrams that waited are there, in order",
      accepted: "an accepted connection has the name of its listener, and what was sent to it",
      waiting: "a connection that was not accepted yet is accepted",
      file: "a bound socket is found by its file, which has its mode",
      deleted: "a socket whose name belongs to another file now leaves that alone",
      abstract: "a connection whose listener is closed, with an abstract name",
      mailbox: "datagrams to a bound socket",
      half: "a direction that was shut down ends after what was sent",
      orphan: "what a closed end had sent is read, and then comes the end",
      rights: "a file that was on its way arrives with its position",
      peeked: "SO_PEEK_OFF leads where it led",
      nested: "a socket that was on its way arrives with its own queue",
      options: "options of the socket",
    },
  },
  "unix-peers": {
    view: ({ pid }) => [treeView(pid), socketView(pid)],
    proves: {
      ours: "a pair that the process made names it as its peer",
      child: "one that a child of another user made names that",
      gone: "one that a process made that is gone names that",
      accepted: "a connection names who connected and who listens",
      closed: "so does one whose listener is closed",
      listener: "who connects later is told who listens",
      works: "the connection works",
    },
  },
  "unix-letters": {
    view: ({ pid }) => [treeView(pid), socketView(pid)],
    proves: {
      there: "a datagram is of the socket that sent it, as recvfrom(2) tells",
      nobody: "or of one without a name",
      closed: "or of one that is closed by then, with an abstract name",
      removed: "or of one whose file is removed, which stays so",
      credentials: "a datagram has its sender's credentials, where they were asked for",
      quiet: "and none where they were not",
      letters: "a connected mailbox has what others sent before, and any number of its peer's letters",
      stream: "parts of a stream have their writers' credentials",
      packets: "and so have packets",
      many: "two hundred descriptors in a message",
    },
  },
});

test("a connection to a program outside of the tree is refused, and works on", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", sharedWithChild("unix")] });
  const child = childIn(program.output());
  const refused: unknown = await service.client
    .dump({ pid: child, imagesDirectory: service.images() })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof CriuRequestError);
  assert.match(refused.crErrmsg, /fd \d+ -> socket:\[\d+\] of pid \d+ .*outside of the tree/);
  program.signal("SIGUSR2");
  await program.waitFor("still connected");
});
