import assert from "node:assert/strict";
import { test } from "node:test";
import { CriuRequestError } from "../../../../src/index.js";
import { startService } from "../../../scenarios/round-trip.js";
import { startExecutable } from "../../../support/program.js";
import { provesAfterTrip } from "../../../support/proofs.js";

provesAfterTrip("unix sockets", {
  "unix-sockets": {
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
      nested: "a socket that was on its way arrives with its own queue",
      options: "options of the socket",
    },
  },
});

const connected = `
import os, signal, socket, subprocess, sys
ours, theirs = socket.socketpair()
child = "import os; print('child', os.getpid()); print('ready', flush=True); os.write(1, os.read(%d, 100))" % theirs.fileno()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
subprocess.Popen([sys.executable, "-c", child], pass_fds=[theirs.fileno()], start_new_session=True)
signal.sigwait([signal.SIGUSR2])
ours.send(b"still connected\\n")
os.wait()
`;

test("a connection to a program outside of the tree is refused, and works on", async () => {
  await using service = await startService();
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", connected] });
  const child = Number(/^child (\d+)$/m.exec(program.output())?.[1]);
  const refused: unknown = await service.client
    .dump({ pid: child, imagesDirectory: service.images() })
    .catch((error: unknown) => error);
  assert.ok(refused instanceof CriuRequestError);
  assert.match(refused.crErrmsg, /fd \d+ -> socket:\[\d+\] of pid \d+ .*outside of the tree/);
  program.signal("SIGUSR2");
  await program.waitFor("still connected");
});
