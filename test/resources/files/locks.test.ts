import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { CriuRequestError } from "../../../src/index.js";
import { LOCK_EX, O } from "../../../src/kernel/abi/fcntl.js";
import { AT_FDCWD } from "../../../src/kernel/brand.js";
import { own } from "../../../src/kernel/own-fd.js";
import { sys } from "../../../src/kernel/syscalls.js";
import { endingWith, roundTrip, startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

const proves = {
  flock: "a file that is locked as a whole stays locked against others",
  socket: "a socket that is locked, as only the program itself can see, stays so",
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
};

for (const [title, arguments_] of [
  ["", []],
  [" of a program with very many descriptors", ["1100"]],
] as const)
  provesAfterTrip(`file locks and leases${title}`, {
    "file-locks": { arguments: arguments_, options: { fileLocks: true }, proves },
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

test("a lock that another process has taken meanwhile is named, with the program", async () => {
  await using service = await startService();
  await using program = await startProgram("file-locks");
  using _tree = endingWith(program.pid);
  using file = own(sys.openat(AT_FDCWD, join(program.directory, "flocked"), O.O_RDWR | O.O_CLOEXEC, 0));
  const trip = roundTrip(service, program.pid, {
    options: { fileLocks: true },
    onNotify: ({ script }) => void (script === "pre-restore" && sys.flock(file.fd, LOCK_EX)),
  });
  await assert.rejects(
    trip,
    /take the file lock again of pid \d+ "file-locks": flock of its descriptor \d+ fails with EAGAIN; see who else/,
  );
});
