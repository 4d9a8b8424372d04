// What becomes of segments in the host's IPC namespace around a dump and a restore.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SHMAT } from "../../../src/kernel/abi/shm.js";
import { NULL } from "../../../src/kernel/brand.js";
import { unless } from "../../../src/kernel/errno.js";
import { readMaps } from "../../../src/kernel/proc/maps.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { sys } from "../../../src/kernel/syscalls.js";
import { statSegment } from "../../../src/resources/memory/shm.js";
import { roundTrip, type Service, startService, until } from "../../scenarios/round-trip.js";
import { buildProgram, type Program, startExecutable, startProgram } from "../../support/program.js";

const IPC_CREAT = 0o1000;
const IPC_RMID = 0;

/** What segment.c made: the key has its pid in it. */
const keyOf = ({ pid }: Program) => 0x52000000 + pid;
const segmentOf = (program: Program) => sys.shmget(keyOf(program), 0n, 0);
const remove = (id: number) => sys.shmctl(id, IPC_RMID, null);

async function goesOn(program: Program): Promise<void> {
  program.signal("SIGUSR2");
  await program.waitFor("restored");
}

/** Segments outlive their programs: removes whichever has the key, with the scope. */
function removing(program: Program): Disposable {
  return {
    [Symbol.dispose]() {
      const left = unless("ENOENT", () => segmentOf(program));
      if (left !== undefined) remove(left);
    },
  };
}

describe("segments of a tree in the host's IPC namespace", () => {
  let service: Service;
  before(async () => {
    service = await startService();
  });
  after(() => service[Symbol.asyncDispose]());

  const dumped = async (program: Program) => {
    const imagesDirectory = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory });
    await program.gone();
    return imagesDirectory;
  };

  test("one that somebody outside has attached is refused, and the tree runs on", async () => {
    await using program = await startProgram("segment");
    using _ = removing(program);
    const id = segmentOf(program);
    const at = sys.shmat(id, NULL, SHMAT.SHM_RDONLY);
    try {
      await assert.rejects(service.client.dump({ pid: program.pid, imagesDirectory: service.images() }), {
        message: new RegExp(
          `the segment ${id} is attached 2 times, and 1 of these are in the tree: somebody outside uses it too; dump all its users together, or have the others detach it \\(ipcs -m shows it\\)`,
        ),
      });
    } finally {
      sys.shmdt(at);
    }
    await goesOn(program);
  });

  test("one that is gone is made again with its id", async () => {
    await using program = await startProgram("segment");
    using _ = removing(program);
    const id = segmentOf(program);
    const imagesDirectory = await dumped(program);
    remove(id);
    await service.client.restore({ imagesDirectory });
    assert.equal(segmentOf(program), id);
    await goesOn(program);
  });

  test("one that somebody has attached since is not touched", async () => {
    await using program = await startProgram("segment");
    using _ = removing(program);
    const id = segmentOf(program);
    const imagesDirectory = await dumped(program);
    const at = sys.shmat(id, NULL, SHMAT.SHM_RDONLY);
    await assert.rejects(service.client.restore({ imagesDirectory }), {
      message: new RegExp(`segment ${id} cannot come back: it is there and attached 1 times; remove that segment`),
    });
    sys.shmdt(at);
    await service.client.restore({ imagesDirectory });
    await goesOn(program);
  });

  test("one whose key is another's now is refused", async () => {
    await using program = await startProgram("segment");
    using _ = removing(program);
    const id = segmentOf(program);
    const imagesDirectory = await dumped(program);
    remove(id);
    const other = sys.shmget(keyOf(program), 4096n, IPC_CREAT);
    await assert.rejects(service.client.restore({ imagesDirectory }), {
      message: new RegExp(`segment ${id} cannot come back: its key 0x[0-9a-f]+ is that of segment ${other} now`),
    });
    remove(other);
    await service.client.restore({ imagesDirectory });
    await goesOn(program);
  });

  test("a restore that comes to nothing leaves none that it made", async () => {
    await using program = await startProgram("segment");
    using _ = removing(program);
    const id = segmentOf(program);
    const imagesDirectory = await dumped(program);
    remove(id);
    const refused = service.client.restore(
      { imagesDirectory },
      { onNotify: ({ script }) => script !== "post-restore" },
    );
    await assert.rejects(refused, /post-restore/);
    assert.equal(statSegment(id), undefined);
    await service.client.restore({ imagesDirectory });
    await goesOn(program);
  });
});

test("the first segment of an IPC namespace, whose number and inode are 0, comes back", async () => {
  await using holder = await startExecutable("/usr/bin/unshare", {
    arguments: ["--ipc", "sleep", "inf"],
    readyLine: "",
  });
  await until("it is in a namespace of its own", () => readStat(holder.pid)?.comm === "sleep");
  const namespace = `--ipc=/proc/${holder.pid}/ns/ipc`;
  await using service = await startService({ command: ["nsenter", namespace] });
  await using program = await startExecutable("/usr/bin/nsenter", { arguments: [namespace, buildProgram("segment")] });
  const segment = () => readMaps(program.pid).find(({ path }) => path.startsWith("/SYSV"))?.inode;
  assert.equal(segment(), 0n);
  await roundTrip(service, program.pid);
  assert.equal(segment(), 0n);
  await goesOn(program);
});
