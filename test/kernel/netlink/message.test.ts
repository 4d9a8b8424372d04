import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SyscallError } from "../../../src/kernel/errno.js";
import { readAnswer } from "../../../src/kernel/netlink/inet-diag.js";
import { attributesIn, encodeAttribute, encodeMessage, messagesIn } from "../../../src/kernel/netlink/message.js";

const bytes = fc.uint8Array({ maxLength: 300 });

test("messages are read as they were written", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(0xffff), bytes), { maxLength: 5 }), (messages) => {
      const sent = Buffer.concat(messages.map(([type, body]) => encodeMessage(type, 0, body)));
      const got = [...messagesIn(sent)].map(({ type, body }) => [type, Uint8Array.from(body)]);
      assert.deepEqual(got, messages);
    }),
  );
});

test("attributes are read as they were written", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.nat(0xffff), bytes), { selector: ([type]) => type }), (attributes) => {
      const written = Buffer.concat(attributes.map(([type, value]) => encodeAttribute(type, value)));
      const got = [...attributesIn(written)].map(([type, value]) => [type, Uint8Array.from(value)]);
      assert.deepEqual(got, attributes);
    }),
  );
});

test("any bytes for an answer are read to their end, or are an error of the kernel's", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (answer) => {
      try {
        readAnswer(answer, new Map());
      } catch (error) {
        assert.ok(error instanceof SyscallError, String(error));
      }
    }),
  );
});
