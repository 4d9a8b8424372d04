import assert from "node:assert/strict";
import { test } from "node:test";
import { CriuRequestError } from "../../../src/index.js";
import { endingWith, startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("file locks and leases", {
  "file-locks": {
    options: { fileLocks: true },
    proves: {
      flock: "a file that is locked as a whole stays locked against others",
      shared: "a shared lock can be shared, no more",
      inherited: "a lock that a child inherited with the file is the child's as well",
      range: "a range that the process locked is locked, no byte around it",
      child: "a range that a child locked through an inherited file is the child's",
      description: "a range that belongs to the open file",
      read: "a read lease is held",
      write: "a write lease is held",
      program: "a write lease on a program's file is held, nobody has looked into that",
      breaking: "a lease that somebody waits for stays so",
      downgrading: "a write lease that is to become a read lease stays so",
      silent: "nobody is told of that twice",
      number: "whoever breaks a lease is told of by the number of the descriptor",
    },
  },
});

test("without --file-locks a held lock is refused by name", async () => {
  await using service = await startService();
  await using program = await startProgram("file-locks");
  using _tree = endingWith(program.pid);
  const dumped = service.client.dump({ pid: program.pid, imagesDirectory: service.images() });
  const error = await dumped.then(() => undefined).catch((failure: unknown) => failure);
  assert.ok(error instanceof CriuRequestError);
  assert.match(error.message, /a FLOCK lock is held on it; pass --file-locks, or have the program release it/);
});
