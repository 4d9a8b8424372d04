import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseHandle } from "../../../src/resources/files/watches/handle.js";
import { pairsOf } from "../../../src/resources/files/watches/target.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("watches of files", {
  "inotify-state": {
    proves: {
      number: "a watch has its number, others between were removed",
      events: "it tells of what it watches, no more",
      child: "a watched directory tells of what happens in it",
      once: "a watch for one event tells of one",
      unlinked: "a deleted file that is open is watched",
      quiet: "no event came of the dump or the restore",
      lost: "where events were not read, the program is told that some are lost, and nothing else",
      next: "another watch can be added",
    },
  },
  "fanotify-state": {
    proves: {
      marks: "the kernel shows the same marks",
      file: "a marked file tells of what happens to it",
      ignored: "what is ignored is not told, also after a change",
      mount: "a mark on a mount",
      quiet: "no event came of the dump or the restore",
    },
  },
});

describe("lines of fdinfo about watches", () => {
  test("a handle goes into words of 64 bits, lowest byte first", () => {
    const fields = pairsOf("wd:1 ino:2a sdev:fe00000 fhandle-bytes:8 fhandle-type:81 f_handle:c18a2500472d1717");
    const { bytes, type, handle } = parseHandle(fields);
    assert.deepEqual([bytes, type, handle[0], handle.length], [8, 0x81, 0x17172d4700258ac1n, 16]);
  });

  test("any line gives pairs, and a handle of fixed length", () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        assert.equal(parseHandle(pairsOf(line)).handle.length, 16);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), (bytes) => {
        const { handle } = parseHandle(pairsOf(`f_handle:${Buffer.from(bytes).toString("hex")}`));
        const words = Buffer.from(BigUint64Array.from(handle).buffer);
        assert.deepEqual([...words.subarray(0, bytes.length)], [...bytes]);
      }),
    );
  });
});
