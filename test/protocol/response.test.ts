import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import {
  cut,
  decodeResponse,
  encodeResponse,
  MAX_ERRMSG_BYTES,
  type ResponseInit,
  restoredSelfDump,
} from "../../src/protocol/response.js";

const { EMPTY, DUMP, RESTORE, CHECK, NOTIFY, FEATURE_CHECK } = CriuReqType;
const written = (init: ResponseInit) => Buffer.from(encodeResponse(init)).toString("hex");

test("responses have the bytes of CRIU's", () => {
  assert.equal(written({ type: CHECK, success: true }), "08031001");
  assert.equal(written({ type: EMPTY, success: false }), "08001000");
  assert.equal(written({ type: DUMP, success: true, dump: { restored: false } }), "080110011a020800");
  assert.equal(written({ type: DUMP, success: false, dump: { restored: false }, crErrno: 3 }), "080110001a0208003803");
  assert.equal(written({ type: RESTORE, success: false, restore: { pid: -1 } }), "08021000220b08ffffffffffffffffff01");
  assert.equal(
    written({ type: NOTIFY, success: true, notify: { script: "pre-dump" } }),
    "080610012a0a0a087072652d64756d70",
  );
  const features = { memTrack: false, lazyPages: false, pidfdStore: false };
  assert.equal(written({ type: FEATURE_CHECK, success: true, features }), "080910014206080010001800");
});

test("a process that dumped itself is told so by eight bytes", () => {
  assert.equal(Buffer.from(restoredSelfDump).toString("hex"), "080110011a020801");
});

test("an errno of 0 and an empty sentence are not sent", () => {
  assert.equal(written({ type: CHECK, success: false, crErrno: 0, crErrmsg: "" }), "08031000");
});

test("a sentence is cut at CRIU's limit, and no character in two", () => {
  const { crErrmsg } = decodeResponse(encodeResponse({ type: CHECK, success: false, crErrmsg: "é".repeat(2000) }));
  assert.equal(Buffer.byteLength(crErrmsg), MAX_ERRMSG_BYTES - 1);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, limit) => {
      const kept = cut(text, limit);
      assert.ok(Buffer.byteLength(kept) <= limit && text.startsWith(kept));
    }),
  );
});

test("every sequence of bytes is a response or a PROTOCOL error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        decodeResponse(bytes);
      } catch (error) {
        assert.equal(error instanceof Error && "code" in error && error.code, "PROTOCOL", String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
