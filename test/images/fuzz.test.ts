// Bytes that nobody wrote, through every decoder: a value or a sentence, never anything else. By hand with more:
// STASIS_FUZZ=1000000 node --test dist/test/images/fuzz.test.js
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { decodeImage } from "../../src/images/crit/image.js";
import { ImageDirectory } from "../../src/images/directory.js";
import { givenIn, settle } from "../../src/options/index.js";
import { CriuReqSchema, CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { decodeRequest, encodeRequest } from "../../src/protocol/request.js";
import { StasisError } from "../../src/report/error.js";
import { writeEveryKind } from "../peers/samples.js";
import { scratchDirectory } from "./scratch.js";

const numRuns = Number(process.env["STASIS_FUZZ"] ?? 4000);

/** Small harm to bytes that were good: what a parser believes for longest. */
interface Harm {
  readonly at: number;
  readonly kind: number;
  readonly value: number;
}
const harms = fc.array(fc.record({ at: fc.nat(), kind: fc.nat(3), value: fc.nat(0xffffffff) }), {
  minLength: 1,
  maxLength: 3,
});

function harmed(good: Uint8Array, done: readonly Harm[]): Uint8Array {
  let bytes = Buffer.from(good);
  for (const { at, kind, value } of done) {
    const where = at % Math.max(1, bytes.length);
    if (bytes.length === 0) return bytes;
    if (kind === 0) bytes[where] = value & 0xff;
    else if (kind === 1) bytes[where] = (bytes[where] ?? 0) ^ (1 << (value % 8));
    else if (kind === 2) bytes = Buffer.from(bytes.subarray(0, where));
    else if (bytes.length >= 4) bytes.writeUInt32LE(value, Math.min(where, bytes.length - 4));
  }
  return bytes;
}

function refusesInWords(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(
      error instanceof StasisError && error.code !== "BUG",
      error instanceof Error ? error.stack : String(error),
    );
  }
}

test("every kind of image, damaged", () => {
  using scratch = scratchDirectory();
  writeEveryKind(ImageDirectory.create(scratch.path));
  const images = readdirSync(scratch.path).map((file) => ({ file, bytes: readFileSync(join(scratch.path, file)) }));
  fc.assert(
    fc.property(fc.constantFrom(...images), harms, fc.boolean(), ({ file, bytes }, done, pretty) => {
      refusesInWords(() => decodeImage(harmed(bytes, done), file, { pretty }));
    }),
    { numRuns },
  );
});

const requests: readonly MessageInitShape<typeof CriuReqSchema>[] = [
  {
    type: CriuReqType.DUMP,
    opts: { imagesDirFd: 5, pid: 7, external: ["a"], ps: { port: 3 }, ghostLimit: 9, shellJob: true },
  },
  {
    type: CriuReqType.RESTORE,
    opts: { imagesDirFd: 5, inheritFd: [{ key: "k", fd: 3 }], veths: [{ ifIn: "a", ifOut: "b" }] },
  },
  { type: CriuReqType.FEATURE_CHECK, keepOpen: true, features: { memTrack: true } },
  { type: CriuReqType.NOTIFY, notifySuccess: true },
];

test("requests, damaged, and the options in them", () => {
  const encoded = requests.map((request) => encodeRequest(create(CriuReqSchema, request)));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(fc.constantFrom(...encoded), harms).map(([good, done]) => harmed(good, done)),
  );
  fc.assert(
    fc.property(bytes, fc.constantFrom("dump", "restore"), (any, operation) => {
      refusesInWords(() => {
        const { opts } = decodeRequest(any);
        if (opts !== undefined) settle(givenIn(opts), operation);
      });
    }),
    { numRuns },
  );
});
