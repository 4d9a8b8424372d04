// Programs that prove several behaviours after one trip through dump and restore: each behaviour is a test of its own.
import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import type { DumpOptions } from "../../src/index.js";
import { endingWith, roundTrip, type Service, startService } from "../scenarios/round-trip.js";
import { treeView } from "./kernel-view.js";
import { no32BitCode, type Program, type ProgramOptions, startProgram } from "./program.js";

/** What a program proves: by the name that it says, the behaviour in a sentence. */
export interface Proofs extends ProgramOptions {
  readonly proves: Readonly<Record<string, string>>;
  /** Before it is dumped; the result, or what it promises, is seen again after it is restored. Default: what the kernel shows of each process. */
  readonly view?: (program: Program) => unknown;
  /** What dump and restore are asked for besides. */
  readonly options?: DumpOptions;
  /** What the machine lacks for it; absent or false: nothing. */
  readonly skip?: string | false;
  /** The dump leaves it running; the test kills it then. */
  readonly leaveRunning?: boolean;
}

/** A suite in which each program, by the name of its source, goes through a trip of its own; all of them at the same time. */
export function provesAfterTrip(subject: string, programs: Readonly<Record<string, Proofs>>): void {
  describe(subject, { concurrency: true }, () => {
    let service: Service | undefined;
    before(async () => {
      service = await startService();
    });
    after(() => service?.[Symbol.asyncDispose]());
    for (const [name, proofs] of Object.entries(programs)) {
      test(`${name}.c`, { skip: proofs.skip || (proofs.linked === "compat" && no32BitCode) }, async (t) => {
        assert.ok(service !== undefined);
        await proveOne(t, service, name, proofs);
      });
    }
  });
}

async function proveOne(t: TestContext, service: Service, name: string, proofs: Proofs): Promise<void> {
  await using program = await startProgram(name, proofs);
  using _tree = endingWith(program.pid);
  // Both are there before the first is only in images: while it makes its state, the other may take a number of the first for a moment.
  await using other = proofs.leaveRunning === true ? undefined : await startProgram(name, proofs);
  using _otherTree = other && endingWith(other.pid);
  const left = other && leftRunning(service, other, name, proofs);
  left?.catch(() => undefined); // when the trip fails first, nobody asks
  const view = proofs.view ?? viewOfTree;
  const before = await view(program);
  await roundTrip(service, program.pid, { leaveRunning: proofs.leaveRunning === true, options: proofs.options ?? {} });
  const now = await view(program);
  const output = await goOn(program);
  for (const [proof, behaviour] of Object.entries(proofs.proves))
    await t.test(behaviour, () => assert.equal(verdict(output, proof), "proved"));
  await t.test("the kernel shows it as before", () => assert.deepEqual(now, before));
  if (left !== undefined) await t.test("all of that is so after a dump that leaves it running", () => left);
}

/** Dumps another one that runs on, and has it prove the same. */
async function leftRunning(service: Service, program: Program, name: string, proofs: Proofs): Promise<void> {
  const view = proofs.view ?? viewOfTree;
  const before = await view(program);
  await service.client.dump({
    ...proofs.options,
    pid: program.pid,
    imagesDirectory: service.images(),
    leaveRunning: true,
  });
  const now = await view(program);
  const missing = unproved(await goOn(program), proofs);
  // The kernel is the oracle: what is not so without a dump is no fault of ours.
  if (missing.length > 0) assert.deepEqual(unproved(await untouched(name, proofs), proofs), [], "without a dump");
  assert.deepEqual(missing, []);
  assert.deepEqual(now, before);
}

async function untouched(name: string, proofs: Proofs): Promise<string> {
  await using program = await startProgram(name, proofs);
  using _tree = endingWith(program.pid);
  return await goOn(program);
}

/** All that it has said by its end. */
async function goOn(program: Program): Promise<string> {
  program.signal("SIGUSR2");
  return await program.waitFor("restored").catch((error: unknown) => String(error));
}

function verdict(output: string, proof: string): string {
  const line = output.split("\n").find((text) => text.startsWith(`${proof}: `));
  return line?.slice(proof.length + 2) ?? `nothing was said of it, the end is ${JSON.stringify(output.slice(-200))}`;
}

const unproved = (output: string, { proves }: Proofs) =>
  Object.keys(proves)
    .map((proof) => `${proof}: ${verdict(output, proof)}`)
    .filter((line) => !line.endsWith(": proved"));

const viewOfTree = ({ pid }: Program) => treeView(pid);
