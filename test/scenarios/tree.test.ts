import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../src/kernel/brand.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { startExecutable, startProgram } from "../support/program.js";
import { endingWith, roundTrip, startService, treeOf, until } from "./round-trip.js";

/** What must be as before, for each process of the tree. */
function family(root: number) {
  return treeOf(asPid(root)).map((pid) => {
    const stat = readStat(pid);
    return { pid, isZombie: stat?.state === "Z", pgrp: stat?.pgrp, session: stat?.session, exitCode: stat?.exitCode };
  });
}

test("a tree of 57 processes in three levels and sessions comes back with its zombies, pipe and shared memory", async () => {
  await using service = await startService();
  await using program = await startProgram("tree");
  using _tree = endingWith(program.pid);
  // The program does not wait for its children to end.
  await until("seven are zombies", () => family(program.pid).filter(({ isZombie }) => isZombie).length === 7);
  const before = family(program.pid);
  assert.equal(before.length, 57);
  await roundTrip(service, program.pid);
  assert.deepEqual(family(program.pid), before);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});

/** Has a child with that pid: clone3(2), set_tid. */
const OCCUPANT = `
import ctypes, signal, struct, sys
wanted = (ctypes.c_int * 1)(int(sys.argv[1]))
arguments = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
child = ctypes.CDLL(None).syscall(435, arguments, len(arguments))
if child == wanted[0]: print("ready", flush=True)
signal.pause()
`;

test("a tree in which a child cannot have its pid is refused by that, nothing of it is left, and it comes back when it can", async () => {
  await using service = await startService();
  await using program = await startProgram("tree");
  using _tree = endingWith(program.pid);
  const tree = treeOf(program.pid);
  const children = tree.filter((pid) => readStat(pid)?.ppid === program.pid && readStat(pid)?.state !== "Z");
  const taken = children[children.length >> 1] ?? program.pid;
  assert.notEqual(taken, program.pid);
  const comm = readStat(asPid(taken))?.comm;
  const imagesDirectory = service.images();
  await service.client.dump({ pid: program.pid, imagesDirectory });
  await until("it is gone", () => tree.every((pid) => readStat(pid) === undefined));
  {
    await using occupant = await startExecutable("/usr/bin/python3", { arguments: ["-c", OCCUPANT, String(taken)] });
    using _occupants = endingWith(occupant.pid);
    const message = new RegExp(`Cannot restore pid ${taken} "${comm}": its pid is taken by a living process`);
    await assert.rejects(service.client.restore({ imagesDirectory }), { message });
    await until("nothing is left", () => tree.every((pid) => pid === taken || readStat(pid) === undefined));
    assert.equal(readStat(asPid(taken))?.ppid, occupant.pid);
  }
  await until("the pid is free", () => readStat(asPid(taken)) === undefined);
  await service.client.restore({ imagesDirectory });
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
