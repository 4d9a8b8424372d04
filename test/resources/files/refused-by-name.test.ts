// What cannot be dumped is refused by its name, and its program runs on.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Service, startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";

const sentences: Readonly<Record<string, RegExp>> = {
  leased:
    /leased \(deleted\).*: it was deleted, and a write lease is held on it, which would break when its contents are read; have the program release the lease$/,
  secret:
    /fd 3 -> \/secretmem \(deleted\).*: it is secret memory \(memfd_secret\), which the kernel lets nobody read; have/,
  "secret-memory": /\/secretmem.*: it is secret memory \(memfd_secret\), which the kernel lets nobody read; have/,
  io_uring:
    /fd 3 -> anon_inode:\[io_uring\].*: rings of io_uring\(7\), are not supported yet; have the program close it/,
  "io_uring-memory":
    /anon_inode:\[io_uring\].*: it is memory of anon_inode:\[io_uring\], which is not supported; have the/,
  userfaultfd:
    /fd 3 -> anon_inode:\[userfaultfd\].*: handlers of page faults, userfaultfd\(2\), are not supported yet; have the program close it/,
  "userfaultfd-memory": /: userfaultfd watches it for missing pages; have the program unmap it before the dump/,
};

describe("what cannot be dumped is refused by name", { concurrency: true }, () => {
  let service: Service;
  before(async () => {
    service = await startService();
  });
  after(() => service[Symbol.asyncDispose]());

  for (const [name, message] of Object.entries(sentences)) {
    test(name, async (t) => {
      await using program = await startProgram("refused-by-name", { arguments: [name] });
      const missing = /not here: .*/.exec(program.output())?.[0];
      if (missing !== undefined) return t.skip(missing);
      const request = { pid: program.pid, imagesDirectory: service.images(), fileLocks: true };
      await assert.rejects(service.client.dump(request), { message });
      program.signal("SIGUSR2");
      await program.waitFor("restored");
    });
  }
});
