import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { readStat } from "../../../src/kernel/proc/stat.js";
import { checkLabel } from "../../../src/resources/task/security-label.js";
import { alteredImages } from "../../scenarios/altered-images.js";
import { startService } from "../../scenarios/round-trip.js";
import { startProgram } from "../../support/program.js";

test("a label is that of stasis or refused, in words", () => {
  const subject = { kind: "process", pid: asPid(12), comm: "x" } as const;
  checkLabel("unconfined", "unconfined", subject);
  checkLabel(undefined, undefined, subject);
  assert.throws(() => checkLabel("docker-default (enforce)", "unconfined", subject), {
    message:
      'Cannot carry over pid 12 "x": a security module labels it "docker-default (enforce)", and stasis "unconfined"; run stasis under the same label',
  });
});

test("an image with a label that stasis does not have is refused before anything is created", async () => {
  await using service = await startService();
  await using program = await startProgram("idle");
  const imagesDirectory = await alteredImages(service, program, ({ threadCore }) => {
    assert.ok(threadCore?.creds !== undefined);
    threadCore.creds.lsmProfile = "nobody-has-this";
  });
  const scripts: string[] = [];
  const restoring = service.client.restore({ imagesDirectory }, { onNotify: ({ script }) => scripts.push(script) > 0 });
  await assert.rejects(restoring, /Cannot carry over idle: a security module labels it "nobody-has-this", and stasis/);
  assert.deepEqual(scripts, []);
  assert.equal(readStat(program.pid), undefined);
});
