import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { CriuOptsSchema, CriuReqSchema, CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { decodeRequest, encodeRequest } from "../../src/protocol/request.js";
import { addJoinNs, addNoSeccomp, readTag39 } from "../../src/protocol/tag-39.js";
import { StasisError } from "../../src/report/error.js";

const read = (hex: string) => decodeRequest(Buffer.from(hex.replaceAll(" ", ""), "hex"));

test("field 39 as a number is no_seccomp", () => {
  assert.deepEqual(readTag39(read("08 01 12 05 08 03 b8 02 01").opts ?? create(CriuOptsSchema)), {
    noSeccomp: true,
    joinNs: [],
  });
  assert.deepEqual(readTag39(read("08 01 12 03 b8 02 00").opts ?? create(CriuOptsSchema)).noSeccomp, false);
});

test("field 39 as messages is join_ns", () => {
  const joined = read("08 02 12 0d ba 02 0a 0a 03 6e 65 74 12 03 34 37 31");
  const { noSeccomp, joinNs } = readTag39(joined.opts ?? create(CriuOptsSchema));
  assert.equal(noSeccomp, undefined);
  assert.deepEqual(
    joinNs.map(({ ns, nsFile }) => [ns, nsFile]),
    [["net", "471"]],
  );
});

test("both readings of field 39 are written as they are read", () => {
  const opts = create(CriuOptsSchema, { imagesDirFd: 3 });
  addNoSeccomp(opts);
  addJoinNs(opts, [
    { ns: "net", nsFile: "/run/netns/x" },
    { ns: "user", nsFile: "1", extraOpt: "0,0" },
  ]);
  const again = decodeRequest(encodeRequest(create(CriuReqSchema, { type: CriuReqType.RESTORE, opts })));
  const { noSeccomp, joinNs } = readTag39(again.opts ?? create(CriuOptsSchema));
  assert.equal(noSeccomp, true);
  assert.deepEqual(
    joinNs.map(({ ns, nsFile, extraOpt }) => [ns, nsFile, extraOpt]),
    [
      ["net", "/run/netns/x", ""],
      ["user", "1", "0,0"],
    ],
  );
});

test("field 39 with any other content is malformed", () => {
  for (const text of ["0801 1206 bd02 00000000", "0801 1205 ba02 02 0a05", "0801 1205 ba02 02 0801"])
    assert.throws(() => read(text), { code: "PROTOCOL" }, text);
});

test("a known field of another wire type makes the whole request malformed", () => {
  assert.throws(() => read("08 01 12 03 12 01 61"), /its field pid has the wire type 2/);
  assert.throws(() => read("0a 01 61"), /its field type has the wire type 2/);
  assert.throws(() => read("08 01 10 01"), /its field opts has the wire type 0/);
});

test("what is cut off, has no type or uses field 0 is malformed", () => {
  for (const text of ["", "08", "1202", "12020803", "080a00", "0800ff", "0b", "0801 12 05 0801"])
    assert.throws(() => read(text), { code: "PROTOCOL" }, text);
});

test("unknown fields are passed over, and the last type counts", () => {
  assert.equal(read("08 0a f8 06 01").type, CriuReqType.VERSION);
  assert.equal(read("08 0a 08 03").type, CriuReqType.CHECK);
});

test("a type that nobody knows is a number, -1 too", () => {
  assert.equal(read("08 63").type, 99);
  assert.equal(read("08 ff ff ff ff ff ff ff ff ff 01").type, -1);
});

test("flags are true for every number but 0, and negative numbers have ten bytes", () => {
  const { opts } = read("08 01 12 0d 08 ff ff ff ff ff ff ff ff ff 01 18 02");
  assert.deepEqual([opts?.imagesDirFd, opts?.leaveRunning], [-1, true]);
});

test("options that come in two parts are one", () => {
  const { opts } = read("08 01 12 02 08 05 12 02 10 07");
  assert.deepEqual([opts?.imagesDirFd, opts?.pid], [5, 7]);
});

test("text that is not UTF-8 does not make a request malformed", () => {
  assert.equal(typeof read("08 01 12 04 52 02 ff fe").opts?.logFile, "string");
});

test("every sequence of bytes is a request or a PROTOCOL error", () => {
  const anything = fc.oneof(fc.uint8Array({ maxLength: 200 }), almostRequests());
  fc.assert(
    fc.property(anything, (bytes) => {
      try {
        const request = decodeRequest(bytes);
        if (request.opts !== undefined) readTag39(request.opts);
        decodeRequest(encodeRequest(request));
      } catch (error) {
        assert.ok(error instanceof StasisError && error.code === "PROTOCOL", String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

/** Requests with a byte changed, put in or left out. */
function almostRequests(): fc.Arbitrary<Uint8Array> {
  const opts = fc.record({
    imagesDirFd: fc.integer(),
    pid: fc.integer(),
    leaveRunning: fc.boolean(),
    logFile: fc.string(),
    ghostLimit: fc.nat(),
    external: fc.array(fc.string(), { maxLength: 3 }),
    inheritFd: fc.array(fc.record({ key: fc.string(), fd: fc.integer() }), { maxLength: 2 }),
  });
  const request = fc.record({ type: fc.integer(), opts, keepOpen: fc.boolean(), pid: fc.nat() });
  const damage = fc.tuple(fc.nat(), fc.constantFrom("change", "insert", "remove"), fc.nat(255));
  return fc.tuple(request, fc.array(damage, { maxLength: 3 })).map(([init, damages]) => {
    const bytes = [...encodeRequest(create(CriuReqSchema, init))];
    for (const [where, how, byte] of damages) {
      const at = where % Math.max(1, bytes.length);
      if (how === "remove") bytes.splice(at, 1);
      else bytes.splice(at, how === "change" ? 1 : 0, byte);
    }
    return Uint8Array.from(bytes);
  });
}
