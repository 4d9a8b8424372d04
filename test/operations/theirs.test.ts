// Images that say things as CRIU does, where we say them another way: made of ours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clearField, create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../src/images/directory.js";
import { CoreEntrySchema, TaskCoreEntrySchema, ThreadCoreEntrySchema } from "../../src/images/format/entries.js";
import { readFiles } from "../../src/images/old.js";
import { O_RDONLY } from "../../src/kernel/abi/fcntl.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { maskOf } from "../../src/resources/task/signal-mask.js";
import { endingWith, startService, treeOf, until } from "../scenarios/round-trip.js";
import { startProgram } from "../support/program.js";

test("the signal mask of a first thread is that of the process when it has none of its own", () => {
  const tc = create(TaskCoreEntrySchema, { blkSigset: 6n });
  const threadCore = create(ThreadCoreEntrySchema, { blkSigset: 0n });
  assert.equal(maskOf(create(CoreEntrySchema, { tc, threadCore })), 0n);
  clearField(threadCore, ThreadCoreEntrySchema.field.blkSigset);
  assert.equal(maskOf(create(CoreEntrySchema, { tc, threadCore })), 6n);
});

test("a file is mapped as the mapping says, whatever its one entry says", async () => {
  await using service = await startService();
  await using program = await startProgram("shared-memory");
  using _ = endingWith(program.pid);
  const imagesDirectory = service.images();
  const tree = treeOf(program.pid);
  await service.client.dump({ pid: program.pid, imagesDirectory });
  await until("all of it is gone", () => tree.every((pid) => readStat(pid) === undefined));
  const { images } = ImageDirectory.open(imagesDirectory);
  const mapped = new Set(images.readOne("mm", program.pid).vmas.map(({ shmid }) => Number(shmid)));
  const files = [...readFiles(images)];
  const changed = files.filter(({ id, reg }) => mapped.has(id) && reg !== undefined && reg.flags !== O_RDONLY);
  assert.ok(changed.length > 0);
  for (const { reg } of changed) if (reg !== undefined) reg.flags = O_RDONLY;
  images.write("files", undefined, files);
  await service.client.restore({ imagesDirectory });
  program.signal("SIGUSR2");
  assert.doesNotMatch(await program.waitFor("restored"), /not so|is \d/);
});
